package signing

// MomentWords are what events say.
var MomentWords = momentWords
