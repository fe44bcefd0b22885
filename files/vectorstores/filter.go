package vectorstores

import (
	"cmp"
	"encoding/json"
	"math"
	"slices"
	"strings"

	"understudy/api/wire"
)

// The operators of a filter (spec section 13). A comparison has a key and a
// value, a compound has filters.
const (
	opEq  = "eq"
	opNe  = "ne"
	opGt  = "gt"
	opGte = "gte"
	opLt  = "lt"
	opLte = "lte"
	opIn  = "in"
	opNin = "nin"
	opAnd = "and"
	opOr  = "or"
)

// The bounds of a filter: how deep compounds are nested, how many filters there
// are in all, and how many values an "in" has.
const (
	maxFilterDepth  = 8
	maxFilters      = 256
	maxFilterValues = 1000
)

// Filter chooses files by their attributes. The zero value chooses all.
//
// Values of different types are never equal, and have no order: an attribute
// that is absent or of another type fails every comparison but ne and nin.
// Numbers are compared by value, strings by their bytes.
type Filter struct {
	op      string // "" chooses all
	key     string
	value   any   // of eq, ne, gt, gte, lt and lte
	values  []any // of in and nin
	filters []Filter
}

// All reports whether the filter chooses every file.
func (f Filter) All() bool { return f.op == "" }

// Match reports whether the filter chooses a file with these attributes.
func (f Filter) Match(a Attributes) bool {
	value := operand(a[f.key])
	switch f.op {
	case opAnd:
		return !slices.ContainsFunc(f.filters, func(sub Filter) bool { return !sub.Match(a) })
	case opOr:
		return slices.ContainsFunc(f.filters, func(sub Filter) bool { return sub.Match(a) })
	case opIn:
		return f.contains(value)
	case opNin:
		return !f.contains(value)
	case opEq:
		order, ok := compare(value, f.value)
		return ok && order == 0
	case opNe:
		order, ok := compare(value, f.value)
		return !ok || order != 0
	case opGt, opGte, opLt, opLte:
		order, ok := compare(value, f.value)
		return ok && ordered(value) && (order == 0 && (f.op == opGte || f.op == opLte) ||
			order > 0 && (f.op == opGt || f.op == opGte) || order < 0 && (f.op == opLt || f.op == opLte))
	default:
		return true
	}
}

func (f Filter) contains(value any) bool {
	return slices.ContainsFunc(f.values, func(v any) bool {
		order, ok := compare(value, v)
		return ok && order == 0
	})
}

// ordered reports whether greater and less mean something for a value.
func ordered(value any) bool {
	_, truth := value.(bool)
	return !truth
}

// compare orders two values of one type; of two booleans it only knows whether
// they are equal.
func compare(a, b any) (order int, ok bool) {
	switch a := a.(type) {
	case string:
		b, same := b.(string)
		return strings.Compare(a, b), same
	case bool:
		b, same := b.(bool)
		if a == b {
			return 0, same
		}
		return 1, same
	case number:
		b, same := b.(number)
		return a.compare(b), same
	default: // there is no such attribute
		return 0, false
	}
}

// number is a number ready to be compared: whole numbers are exact, because ids
// of 19 digits are common, and others are what a float holds of them.
type number struct {
	whole   int64
	isWhole bool
	float   float64
}

// maxFloatWhole is up to where a float holds every whole number.
const maxFloatWhole = 1 << 53

func newNumber(n json.Number) number {
	if whole, err := n.Int64(); err == nil {
		return number{whole, true, float64(whole)}
	}
	float, _ := n.Float64() // out of range answers ±Inf, or 0
	if float == math.Trunc(float) && math.Abs(float) <= maxFloatWhole {
		return number{int64(float), true, float}
	}
	return number{float: float}
}

func (n number) compare(m number) int {
	if n.isWhole && m.isWhole {
		return cmp.Compare(n.whole, m.whole)
	}
	return cmp.Compare(n.float, m.float)
}

// operand is a value ready to be compared.
func operand(value any) any {
	if n, ok := value.(json.Number); ok {
		return newNumber(n)
	}
	return value
}

// readFilter reads the filters field; absent chooses all.
func readFilter(o *wire.Object) Filter {
	sub := o.Object("filters")
	if sub == nil {
		return Filter{}
	}
	left := maxFilters
	return readOperator(o, sub, 1, &left)
}

func readOperator(root, o *wire.Object, depth int, left *int) Filter {
	f := Filter{}
	if *left--; *left < 0 {
		root.Fail(wire.InvalidValue("filters", "Invalid 'filters': more than %d filters.", maxFilters))
		return f
	}
	if depth > maxFilterDepth {
		root.Fail(wire.InvalidValue("filters", "Invalid 'filters': nested more than %d levels deep.", maxFilterDepth))
		return f
	}
	if o.Require("type") {
		f.op = o.Enum("type", opEq, opNe, opGt, opGte, opLt, opLte, opIn, opNin, opAnd, opOr)
	}
	switch f.op {
	case "":
	case opAnd, opOr:
		f.filters = readFilters(root, o, depth, left)
	default:
		f.key = o.RequiredString("key", 0)
		f.readOperand(o)
	}
	_ = o.Err()
	return f
}

func readFilters(root, o *wire.Object, depth int, left *int) []Filter {
	if !o.Require("filters") {
		return nil
	}
	var filters []Filter
	for _, sub := range o.Objects("filters", maxFilters) {
		filters = append(filters, readOperator(root, sub, depth+1, left))
	}
	if len(filters) == 0 {
		o.Fail(wire.EmptyArray(o.Path("filters")))
	}
	return filters
}

// readOperand reads the value: a list for in and nin, one that has an order for
// gt, gte, lt and lte.
func (f *Filter) readOperand(o *wire.Object) {
	if !o.Require("value") {
		return
	}
	if f.op != opIn && f.op != opNin {
		f.value = operand(readValue(o, "value", 0))
		if _, truth := f.value.(bool); truth && f.op != opEq && f.op != opNe {
			o.Fail(wire.WrongType(o.Path("value"), "one of a string or number", "a boolean"))
		}
		return
	}
	for _, element := range o.Array("value", maxFilterValues) {
		switch kind := wire.TypeName(element.Raw); kind {
		case "a string":
			var s string
			if err := json.Unmarshal(element.Raw, &s); err != nil { // the body has passed as JSON
				o.Fail(err)
			}
			f.values = append(f.values, s)
		case "an integer", "a decimal number":
			f.values = append(f.values, newNumber(json.Number(element.Raw)))
		default:
			o.Fail(wire.WrongType(element.Path, "one of a string or number", kind))
		}
	}
}
