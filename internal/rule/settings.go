package rule

import "regent/internal/app"

// choicesOf reads the switchable choices from the app's settings.
func choicesOf(a *app.App) Choices {
	s := &a.Settings
	return Choices{
		WriteFalseFallsThrough: s.WriteFalseFallsThrough,
		DeleteNeedsWrite:       s.DeleteNeedsWrite,
		StrictFilters:          s.StrictFilters,
		NullAllowed:            s.NullTypeSchemaValidation,
		FunctionCalls:          s.RuleFunctionMaxCalls,
	}
}
