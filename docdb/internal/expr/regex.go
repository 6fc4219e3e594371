package expr

func regexOperators() []operator { return nil }
