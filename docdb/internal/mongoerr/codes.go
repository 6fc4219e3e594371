package mongoerr

// The codes that have a name. mongo-engine.md §1.4 says what clients do with them.
const (
	InternalError                            Code = 1
	BadValue                                 Code = 2
	NoSuchKey                                Code = 4
	GraphContainsCycle                       Code = 5
	HostUnreachable                          Code = 6
	HostNotFound                             Code = 7
	UnknownError                             Code = 8
	FailedToParse                            Code = 9
	CannotMutateObject                       Code = 10
	UserNotFound                             Code = 11
	UnsupportedFormat                        Code = 12
	Unauthorized                             Code = 13
	TypeMismatch                             Code = 14
	Overflow                                 Code = 15
	InvalidLength                            Code = 16
	ProtocolError                            Code = 17
	AuthenticationFailed                     Code = 18
	IllegalOperation                         Code = 20
	EmptyArrayOperation                      Code = 21
	InvalidBSON                              Code = 22
	AlreadyInitialized                       Code = 23
	LockTimeout                              Code = 24
	NamespaceNotFound                        Code = 26
	IndexNotFound                            Code = 27
	PathNotViable                            Code = 28
	NonExistentPath                          Code = 29
	RoleNotFound                             Code = 31
	RolesNotRelated                          Code = 32
	PrivilegeNotFound                        Code = 33
	CannotBackfillArray                      Code = 34
	UserModificationFailed                   Code = 35
	FileStreamFailed                         Code = 39
	ConflictingUpdateOperators               Code = 40
	CursorNotFound                           Code = 43
	UserDataInconsistent                     Code = 45
	NoMatchingDocument                       Code = 47
	NamespaceExists                          Code = 48
	MaxTimeMSExpired                         Code = 50
	DollarPrefixedFieldName                  Code = 52
	InvalidIdField                           Code = 53
	NotSingleValueField                      Code = 54
	InvalidDBRef                             Code = 55
	EmptyFieldName                           Code = 56
	DottedFieldName                          Code = 57
	CommandNotFound                          Code = 59
	ShardKeyNotFound                         Code = 61
	OplogOperationUnsupported                Code = 62
	WriteConcernFailed                       Code = 64
	MultipleErrorsOccurred                   Code = 65
	ImmutableField                           Code = 66
	CannotCreateIndex                        Code = 67
	IndexAlreadyExists                       Code = 68
	AuthSchemaIncompatible                   Code = 69
	InvalidOptions                           Code = 72
	InvalidNamespace                         Code = 73
	NoReplicationEnabled                     Code = 76
	UnknownReplWriteConcern                  Code = 79
	IndexOptionsConflict                     Code = 85
	IndexKeySpecsConflict                    Code = 86
	NetworkTimeout                           Code = 89
	CallbackCanceled                         Code = 90
	ShutdownInProgress                       Code = 91
	InvalidReplicaSetConfig                  Code = 93
	NotYetInitialized                        Code = 94
	NotSecondary                             Code = 95
	OperationFailed                          Code = 96
	UnsatisfiableWriteConcern                Code = 100
	CannotGrowDocumentInCappedNamespace      Code = 104
	WriteConflict                            Code = 112
	CommandNotSupported                      Code = 115
	ConflictingOperationInProgress           Code = 117
	NamespaceNotSharded                      Code = 118
	DocumentValidationFailure                Code = 121
	NotAReplicaSet                           Code = 123
	CommandFailed                            Code = 125
	FailedToSatisfyReadPreference            Code = 133
	ReadConcernMajorityNotAvailableYet       Code = 134
	CappedPositionLost                       Code = 136
	ExceededMemoryLimit                      Code = 146
	ViewDepthLimitExceeded                   Code = 165
	CommandNotSupportedOnView                Code = 166
	OptionNotSupportedOnView                 Code = 167
	InvalidPipelineOperator                  Code = 168
	CommandOnShardedViewNotSupportedOnMongod Code = 169
	TooManyMatchingDocuments                 Code = 170
	CannotIndexParallelArrays                Code = 171
	TransportSessionClosed                   Code = 172
	TransportSessionNotFound                 Code = 173
	TransportSessionUnknown                  Code = 174
	QueryPlanKilled                          Code = 175
	FileOpenFailed                           Code = 176
	ClientMetadataCannotBeMutated            Code = 186
	PrimarySteppedDown                       Code = 189
	InvalidIndexSpecificationOption          Code = 197
	AmbiguousIndexKeyPattern                 Code = 181
	InvalidUUID                              Code = 207
	NoQueryExecutionPlans                    Code = 291
	SearchNotEnabled                         Code = 31082
	KeyNotFound                              Code = 211
	CloseChangeStream                        Code = 222
	TransactionTooOld                        Code = 225
	RetryChangeStream                        Code = 234
	CursorKilled                             Code = 237
	NotImplemented                           Code = 238
	SnapshotTooOld                           Code = 239
	ConversionFailure                        Code = 241
	SnapshotUnavailable                      Code = 246
	NoSuchTransaction                        Code = 251
	TransactionCommitted                     Code = 256
	TransactionTooLarge                      Code = 257
	InvalidResumeToken                       Code = 260
	TooManyLogicalSessions                   Code = 261
	ExceededTimeLimit                        Code = 262
	OperationNotSupportedInTransaction       Code = 263
	PreparedTransactionInProgress            Code = 267
	ChangeStreamFatalError                   Code = 280
	ChangeStreamHistoryLost                  Code = 286
	TransactionExceededLifetimeLimitSeconds  Code = 290
	QueryExceededMemoryLimitNoDiskUseAllowed Code = 292
	APIVersionError                          Code = 322
	APIStrictError                           Code = 323
	APIDeprecationError                      Code = 324
	MechanismUnavailable                     Code = 334
	UnsupportedOpQueryCommand                Code = 352
	QueryFeatureNotAllowed                   Code = 224
	CannotConvertIndexToUnique               Code = 359
	CollectionUUIDMismatch                   Code = 361
	SocketException                          Code = 9001
	NotWritablePrimary                       Code = 10107
	BSONObjectTooLarge                       Code = 10334
	DuplicateKey                             Code = 11000
	InterruptedAtShutdown                    Code = 11600
	Interrupted                              Code = 11601
	InterruptedDueToReplStateChange          Code = 11602
	NotPrimaryNoSecondaryOk                  Code = 13435
	NotPrimaryOrSecondary                    Code = 13436
	OutOfDiskSpace                           Code = 14031
	UserAlreadyExists                        Code = 51003
)

// Codes without a name (MongoDB prints "Location" and the number) that more than one package uses.
const (
	DuplicateArgument   Code = 40413 // a command field or option given twice
	MissingArgument     Code = 40414 // a required field is missing
	UnknownArgument     Code = 40415 // an unknown field
	ArgumentOutOfRange  Code = 51024 // a number outside of its bounds
	UndefinedVariable   Code = 17276 // $$name that nothing defines
	UnknownStage        Code = 40324 // an unknown pipeline stage
	InvalidRegex        Code = 51091 // a regular expression that does not compile
	RegexBadOptions     Code = 51108 // bad options of a regular expression
	ProjectionCollision Code = 31249 // two projection paths, one a prefix of the other
	ProjectionPrefix    Code = 31250 // the same, found in the other order
	InclusionInExclude  Code = 31253 // {a: 0, b: 1}
	ExclusionInInclude  Code = 31254 // {a: 1, b: 0}
)

var names = map[Code]string{
	QueryFeatureNotAllowed:                   "QueryFeatureNotAllowed",
	InternalError:                            "InternalError",
	BadValue:                                 "BadValue",
	NoSuchKey:                                "NoSuchKey",
	GraphContainsCycle:                       "GraphContainsCycle",
	HostUnreachable:                          "HostUnreachable",
	HostNotFound:                             "HostNotFound",
	UnknownError:                             "UnknownError",
	FailedToParse:                            "FailedToParse",
	CannotMutateObject:                       "CannotMutateObject",
	UserNotFound:                             "UserNotFound",
	UnsupportedFormat:                        "UnsupportedFormat",
	Unauthorized:                             "Unauthorized",
	TypeMismatch:                             "TypeMismatch",
	Overflow:                                 "Overflow",
	InvalidLength:                            "InvalidLength",
	ProtocolError:                            "ProtocolError",
	AuthenticationFailed:                     "AuthenticationFailed",
	IllegalOperation:                         "IllegalOperation",
	EmptyArrayOperation:                      "EmptyArrayOperation",
	InvalidBSON:                              "InvalidBSON",
	AlreadyInitialized:                       "AlreadyInitialized",
	LockTimeout:                              "LockTimeout",
	NamespaceNotFound:                        "NamespaceNotFound",
	IndexNotFound:                            "IndexNotFound",
	PathNotViable:                            "PathNotViable",
	NonExistentPath:                          "NonExistentPath",
	RoleNotFound:                             "RoleNotFound",
	RolesNotRelated:                          "RolesNotRelated",
	PrivilegeNotFound:                        "PrivilegeNotFound",
	CannotBackfillArray:                      "CannotBackfillArray",
	UserModificationFailed:                   "UserModificationFailed",
	FileStreamFailed:                         "FileStreamFailed",
	ConflictingUpdateOperators:               "ConflictingUpdateOperators",
	CursorNotFound:                           "CursorNotFound",
	UserDataInconsistent:                     "UserDataInconsistent",
	NoMatchingDocument:                       "NoMatchingDocument",
	NamespaceExists:                          "NamespaceExists",
	MaxTimeMSExpired:                         "MaxTimeMSExpired",
	DollarPrefixedFieldName:                  "DollarPrefixedFieldName",
	InvalidIdField:                           "InvalidIdField",
	NotSingleValueField:                      "NotSingleValueField",
	InvalidDBRef:                             "InvalidDBRef",
	EmptyFieldName:                           "EmptyFieldName",
	DottedFieldName:                          "DottedFieldName",
	CommandNotFound:                          "CommandNotFound",
	ShardKeyNotFound:                         "ShardKeyNotFound",
	OplogOperationUnsupported:                "OplogOperationUnsupported",
	WriteConcernFailed:                       "WriteConcernFailed",
	MultipleErrorsOccurred:                   "MultipleErrorsOccurred",
	ImmutableField:                           "ImmutableField",
	CannotCreateIndex:                        "CannotCreateIndex",
	IndexAlreadyExists:                       "IndexAlreadyExists",
	AuthSchemaIncompatible:                   "AuthSchemaIncompatible",
	InvalidOptions:                           "InvalidOptions",
	InvalidNamespace:                         "InvalidNamespace",
	NoReplicationEnabled:                     "NoReplicationEnabled",
	UnknownReplWriteConcern:                  "UnknownReplWriteConcern",
	IndexOptionsConflict:                     "IndexOptionsConflict",
	IndexKeySpecsConflict:                    "IndexKeySpecsConflict",
	NetworkTimeout:                           "NetworkTimeout",
	CallbackCanceled:                         "CallbackCanceled",
	ShutdownInProgress:                       "ShutdownInProgress",
	InvalidReplicaSetConfig:                  "InvalidReplicaSetConfig",
	NotYetInitialized:                        "NotYetInitialized",
	NotSecondary:                             "NotSecondary",
	OperationFailed:                          "OperationFailed",
	UnsatisfiableWriteConcern:                "UnsatisfiableWriteConcern",
	CannotGrowDocumentInCappedNamespace:      "CannotGrowDocumentInCappedNamespace",
	WriteConflict:                            "WriteConflict",
	CommandNotSupported:                      "CommandNotSupported",
	ConflictingOperationInProgress:           "ConflictingOperationInProgress",
	NamespaceNotSharded:                      "NamespaceNotSharded",
	DocumentValidationFailure:                "DocumentValidationFailure",
	NotAReplicaSet:                           "NotAReplicaSet",
	CommandFailed:                            "CommandFailed",
	FailedToSatisfyReadPreference:            "FailedToSatisfyReadPreference",
	ReadConcernMajorityNotAvailableYet:       "ReadConcernMajorityNotAvailableYet",
	CappedPositionLost:                       "CappedPositionLost",
	ExceededMemoryLimit:                      "ExceededMemoryLimit",
	ViewDepthLimitExceeded:                   "ViewDepthLimitExceeded",
	CommandNotSupportedOnView:                "CommandNotSupportedOnView",
	OptionNotSupportedOnView:                 "OptionNotSupportedOnView",
	InvalidPipelineOperator:                  "InvalidPipelineOperator",
	CommandOnShardedViewNotSupportedOnMongod: "CommandOnShardedViewNotSupportedOnMongod",
	TooManyMatchingDocuments:                 "TooManyMatchingDocuments",
	CannotIndexParallelArrays:                "CannotIndexParallelArrays",
	TransportSessionClosed:                   "TransportSessionClosed",
	TransportSessionNotFound:                 "TransportSessionNotFound",
	TransportSessionUnknown:                  "TransportSessionUnknown",
	QueryPlanKilled:                          "QueryPlanKilled",
	FileOpenFailed:                           "FileOpenFailed",
	ClientMetadataCannotBeMutated:            "ClientMetadataCannotBeMutated",
	PrimarySteppedDown:                       "PrimarySteppedDown",
	InvalidIndexSpecificationOption:          "InvalidIndexSpecificationOption",
	AmbiguousIndexKeyPattern:                 "AmbiguousIndexKeyPattern",
	InvalidUUID:                              "InvalidUUID",
	NoQueryExecutionPlans:                    "NoQueryExecutionPlans",
	SearchNotEnabled:                         "SearchNotEnabled",
	KeyNotFound:                              "KeyNotFound",
	CloseChangeStream:                        "CloseChangeStream",
	TransactionTooOld:                        "TransactionTooOld",
	RetryChangeStream:                        "RetryChangeStream",
	CursorKilled:                             "CursorKilled",
	NotImplemented:                           "NotImplemented",
	SnapshotTooOld:                           "SnapshotTooOld",
	ConversionFailure:                        "ConversionFailure",
	SnapshotUnavailable:                      "SnapshotUnavailable",
	NoSuchTransaction:                        "NoSuchTransaction",
	TransactionCommitted:                     "TransactionCommitted",
	TransactionTooLarge:                      "TransactionTooLarge",
	InvalidResumeToken:                       "InvalidResumeToken",
	TooManyLogicalSessions:                   "TooManyLogicalSessions",
	ExceededTimeLimit:                        "ExceededTimeLimit",
	OperationNotSupportedInTransaction:       "OperationNotSupportedInTransaction",
	PreparedTransactionInProgress:            "PreparedTransactionInProgress",
	ChangeStreamFatalError:                   "ChangeStreamFatalError",
	ChangeStreamHistoryLost:                  "ChangeStreamHistoryLost",
	TransactionExceededLifetimeLimitSeconds:  "TransactionExceededLifetimeLimitSeconds",
	QueryExceededMemoryLimitNoDiskUseAllowed: "QueryExceededMemoryLimitNoDiskUseAllowed",
	APIVersionError:                          "APIVersionError",
	APIStrictError:                           "APIStrictError",
	APIDeprecationError:                      "APIDeprecationError",
	MechanismUnavailable:                     "MechanismUnavailable",
	UnsupportedOpQueryCommand:                "UnsupportedOpQueryCommand",
	CannotConvertIndexToUnique:               "CannotConvertIndexToUnique",
	CollectionUUIDMismatch:                   "CollectionUUIDMismatch",
	SocketException:                          "SocketException",
	NotWritablePrimary:                       "NotWritablePrimary",
	BSONObjectTooLarge:                       "BSONObjectTooLarge",
	DuplicateKey:                             "DuplicateKey",
	InterruptedAtShutdown:                    "InterruptedAtShutdown",
	Interrupted:                              "Interrupted",
	InterruptedDueToReplStateChange:          "InterruptedDueToReplStateChange",
	NotPrimaryNoSecondaryOk:                  "NotPrimaryNoSecondaryOk",
	NotPrimaryOrSecondary:                    "NotPrimaryOrSecondary",
	OutOfDiskSpace:                           "OutOfDiskSpace",
}
