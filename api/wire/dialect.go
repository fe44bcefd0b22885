package wire

// Dialect is the version of the API a request speaks. Objects are stored in
// version 2's shape; version 1 is a way of reading and of showing them.
type Dialect int

// The two versions; V2 is the default.
const (
	V2 Dialect = iota
	V1
)
