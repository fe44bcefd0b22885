// Package store keeps everything Understudy knows in one SQLite database.
//
// A DB has one writer connection and a few readers. [DB.Write] runs a function inside a transaction; functions of
// concurrent callers share one transaction and one fsync, each behind its own savepoint, so that full durability stays
// fast. When Write returns nil the change is on disk; when it returns an error nothing of it is, and nothing is ever
// tried a second time. Reads ([DB.Query], [DB.QueryRow], [DB.View]) never wait for writes.
//
// SQL is written once, in PostgreSQL spelling with $1…$n; dialect.go holds what databases truly differ in.
package store
