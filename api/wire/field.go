package wire

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"
)

// String returns the field, nil when absent or null. maxLen counts characters;
// 0 means no limit.
func (o *Object) String(name string, maxLen int) *string {
	raw := o.Raw(name)
	if raw == nil {
		return nil
	}
	var s string
	if raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		o.Fail(WrongType(o.Path(name), "a string", TypeName(raw)))
		return nil
	}
	if n := utf8.RuneCountInString(s); maxLen > 0 && n > maxLen {
		o.Fail(tooLong(o.Path(name), maxLen, n))
		return nil
	}
	return &s
}

// RequiredString is String for a field that must be there and not empty.
func (o *Object) RequiredString(name string, maxLen int) string {
	if !o.Require(name) {
		return ""
	}
	s := o.String(name, maxLen)
	if s == nil {
		return ""
	}
	if *s == "" {
		o.Fail(EmptyString(o.Path(name)))
	}
	return *s
}

// Enum returns the field if it is one of the allowed strings, "" when absent.
func (o *Object) Enum(name string, allowed ...string) string {
	s := o.String(name, 0)
	if s == nil {
		return ""
	}
	if !slices.Contains(allowed, *s) {
		o.Fail(NotInEnum(o.Path(name), *s, allowed))
		return ""
	}
	return *s
}

// Bool returns the field, nil when absent or null.
func (o *Object) Bool(name string) *bool {
	raw := o.Raw(name)
	if raw == nil {
		return nil
	}
	var b bool
	if json.Unmarshal(raw, &b) != nil {
		o.Fail(WrongType(o.Path(name), "a boolean", TypeName(raw)))
		return nil
	}
	return &b
}

// Int returns the field, nil when absent or null; 1.0 counts as an integer.
func (o *Object) Int(name string, minimum, maximum int) *int {
	raw := o.Raw(name)
	if raw == nil {
		return nil
	}
	f, _ := strconv.ParseFloat(string(raw), 64) // out of range answers ±Inf, which the bounds refuse
	if !isNumber(raw) || f != math.Trunc(f) {
		o.Fail(WrongType(o.Path(name), "an integer", TypeName(raw)))
		return nil
	}
	if err := checkInt(o.Path(name), f, string(raw), minimum, maximum); err != nil {
		o.Fail(err)
		return nil
	}
	return Ptr(int(f))
}

// checkInt compares a whole number with its bounds; text is how the client
// wrote it.
func checkInt(path string, f float64, text string, minimum, maximum int) error {
	if f > float64(maximum) {
		return outOfRange(path, "integer", "above maximum", "<=", strconv.Itoa(maximum), text)
	}
	if f < float64(minimum) {
		return outOfRange(path, "integer", "below minimum", ">=", strconv.Itoa(minimum), text)
	}
	return nil
}

// Float returns the field, nil when absent or null.
func (o *Object) Float(name string, minimum, maximum float64) *Float {
	raw := o.Raw(name)
	if raw == nil {
		return nil
	}
	if !isNumber(raw) {
		o.Fail(WrongType(o.Path(name), "a decimal", TypeName(raw)))
		return nil
	}
	f, _ := strconv.ParseFloat(string(raw), 64) // out of range answers ±Inf, which the bounds refuse
	if f > maximum {
		o.Fail(outOfRange(o.Path(name), "decimal", "above maximum", "<=", formatFloat(maximum), string(raw)))
		return nil
	}
	if f < minimum {
		o.Fail(outOfRange(o.Path(name), "decimal", "below minimum", ">=", formatFloat(minimum), string(raw)))
		return nil
	}
	return Ptr(Float(f))
}

func formatFloat(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }
