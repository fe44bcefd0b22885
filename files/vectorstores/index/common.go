package index

// commonTerms are in most texts and say nothing about what one is about. A large store shows which terms these are; one
// of a few chunks cannot, and any chunk with an "is" and an "of" in it would seem to answer any question. English is the
// language they are known of.
var commonTerms = func() map[string]bool {
	common := map[string]bool{}
	for _, term := range Terms(`a about after all also am an and any are as at be been before being but by can could did do
		does for from had has have he her him his how i if in into is it its just may me might more most must my no not
		of on or our out shall she should so some such than that the their them then there these they this those to up us
		was we were what when where which while who whom whose why will with would you your`) {
		common[term] = true
	}
	return common
}()
