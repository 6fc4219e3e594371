package rule

// Choices are the readings of the documentation where it contradicts itself or
// is silent (app-services.md §5.6, §5.7). The table below is the one place that
// names them all; docs/rules.md shows it.
type Choices struct {
	// WriteFalseFallsThrough: a literal write: false (or none) is no grant for the
	// document and field rules decide; an expression that is false denies.
	WriteFalseFallsThrough bool

	// DeleteNeedsWrite: delete counts only for who may write every field.
	DeleteNeedsWrite bool

	// StrictFilters refuses filters, sorts and $match on fields that no role of
	// the collection could ever let anybody read.
	StrictFilters bool

	// NullAllowed lets optional fields of a schema be null.
	NullAllowed bool

	// FunctionCalls bounds the calls of %function during one operation; further
	// ones are false. 0: 10,000.
	FunctionCalls int
}

// DefaultChoices are the choices in force unless the app's settings differ.
func DefaultChoices() Choices {
	return Choices{WriteFalseFallsThrough: true, DeleteNeedsWrite: true}
}

// Choice is one row of the table of choices.
type Choice struct {
	Name    string // as docs/rules.md lists it
	Setting string // in regent.json; empty when it is fixed
	Reading string // what Regent does
	Other   string // what else could have been meant
}

// ChoiceTable lists every reading that was chosen.
var ChoiceTable = []Choice{
	{"half-defined document_filters", "", "each defined part is evaluated, an undefined part is true for its own operation; read also passes when a defined write part is true", "an undefined part denies (the flow chart)"},
	{"delete undefined", "", "true", "false (the flow chart)"},
	{"insert undefined", "", "true", "–"},
	{"search undefined", "", "true", "false (the flow chart)"},
	{"delete needs write", "delete_needs_write", "delete counts only with write on all fields of the document", "delete alone decides (the flow chart)"},
	{"write: false beside writable fields", "write_false_literal_falls_through", "a literal false is no grant and field rules decide; an expression that is false denies", "any false denies"},
	{"read: false beside readable fields", "", "the document is denied unless write is true", "field rules decide"},
	{"no readable field", "", "the document is left out", "an empty document is returned"},
	{"image that apply_when sees", "", "the document before the change; the new one for inserts", "the document after the change"},
	{"document_filters.write on updates", "", "must hold for the document before and after the change", "one of them"},
	{"limit", "", "counts documents that the user may read", "applied before roles, so that fewer documents come back"},
	{"count and distinct", "", "only readable documents and fields", "everything that matches"},
	{"aggregate", "", "roles and field permissions apply to the documents that enter the pipeline", "to its output"},
	{"updateMany and deleteMany with a forbidden document", "", "an error, nothing is changed", "forbidden documents are skipped"},
	{"writes to documents that cannot be read", "", "they do not match: the counts are 0", "an error, which tells that they exist"},
	{"delete of a readable document without permission", "", "an error", "count 0"},
	{"missing value", "", "equal to nothing, so $ne is true; a list that is missing makes $in and $nin false", "$nin is true"},
	{"null", "", "{f: null} needs a stored null", "a missing field equals null"},
	{"ordering operators", "", "compare values of one kind (numbers, strings, dates …) only", "BSON order over all types"},
	{"array against array", "", "equal, or one contains the other as an element; sharing an element is not enough", "any common element"},
	{"object without operators as a value", "", "a literal document, equal field by field in order", "a nested expression"},
	{"key that only looks like an operator (anyOf, or, gte)", "", "the name of a field, or a literal document; a warning when the app loads", "an error, or the operator that was meant"},
	{"negated expression that cannot be evaluated", "", "false", "true"},
	{"filter whose apply_when cannot be evaluated", "", "matches nothing", "does not apply"},
	{"role whose apply_when is broken or absent", "", "never matches", "–"},
	{"permission that is broken", "", "false", "undefined"},
	{"rules file without roles", "", "no access, default rules do not apply", "default rules apply"},
	{"sorting and filtering on unreadable fields", "strict_filters", "accepted, as in the original", "refused"},
	{"$regex in queries of users", "", "accepted (the guides use it)", "refused (a table of the functions pages)"},
	{"null in optional fields of a schema", "null_type_schema_validation", "refused", "accepted"},
	{"numbers in a schema", "", "long accepts int, double accepts int and long", "exact types only"},
	{"pipeline updates under field permissions", "", "refused: a pipeline can copy a field that cannot be read", "judged by changed fields alone"},
	{"schema on delete", "", "not checked", "checked"},
	{"deletes in watch", "", "told when the image before the delete was readable, or when roles grant without looking at documents", "told to everybody, or never"},
}
