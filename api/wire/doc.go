// Package wire is the vocabulary of the API that every package shares: errors
// as clients see them, ids, pages, metadata, and the strict reading of request
// bodies.
//
// It is a leaf: it imports nothing of this project and knows neither HTTP nor
// SQL, so that domain packages may import it while package api stays out of
// their reach.
package wire
