package stage

func windowStages() []definition { return nil }
