package stage

func foreignStages() []definition { return nil }
func windowStages() []definition  { return nil }
func serverStages() []definition  { return nil }
