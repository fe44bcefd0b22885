//go:build !unix

package main

// tellVitals does nothing: there is no signal to ask with.
func (a *app) tellVitals() {}
