package realm

// Code is an error code of the protocol: the name that a server sends as
// "error_code" (client-api.md §1.14), or one of the names below for
// conditions that the client itself notices.
//
// A Code is also an error, so that it can be the target of [errors.Is]:
//
//	if errors.Is(err, realm.ErrInvalidPassword) { … }
//
// Codes that are not in the table are kept as the server sent them; compare
// with errors.Is(err, realm.Code("TheName")).
type Code string

// Error returns a short description, or the code's own name when the table
// has none.
func (c Code) Error() string {
	for _, row := range codeTable {
		if row.code == c && row.text != "" {
			return "realm: " + row.text
		}
	}
	return "realm: " + string(c)
}

// Number returns the number that the native SDKs give the code (4349 for
// InvalidPassword), and 4355, AppServerError, for a code outside the table.
func (c Code) Number() int {
	for _, row := range codeTable {
		if row.code == c {
			return row.number
		}
	}
	return 4355
}

// Conditions the client notices without, or before, asking the server.
const (
	// ErrUserUnknown: the user does not belong to this App, or was removed.
	ErrUserUnknown Code = "ClientUserNotFound"
	// ErrLoggedOut: the user has no session. Either the user was logged out
	// here, or the server said that the session has ended; then the chain
	// also holds the server's *[Error].
	ErrLoggedOut Code = "ClientUserNotLoggedIn"
	// ErrRedirect: the server answered a call with a redirect. The client
	// follows none, because that would carry tokens to another address.
	ErrRedirect Code = "ClientRedirectError"
	// ErrAnonymousLink: anonymous credentials cannot be linked to a user.
	ErrAnonymousLink Code = "ClientUserAlreadyNamed"
	// ErrBadToken: the server sent a token that is not a JWT.
	ErrBadToken Code = "BadToken"
	// ErrMalformedJSON: the answer is not JSON, or not what the call returns.
	ErrMalformedJSON Code = "MalformedJson"
	// ErrMissingJSONKey: the answer lacks a field that the protocol demands.
	ErrMissingJSONKey Code = "MissingJsonKey"
	// ErrBadBSON: a value is JSON but cannot be read as extended JSON, or
	// not into the Go type that was asked for.
	ErrBadBSON Code = "BadBsonParse"
	// ErrHTTP: an error status without an error object of the protocol.
	ErrHTTP Code = "HTTPError"
	// ErrResponseTooLarge: the answer is longer than [WithMaxResponseSize].
	ErrResponseTooLarge Code = "ClientResponseTooLarge"
	// ErrNoDocuments: no document matched, where one was asked for.
	ErrNoDocuments Code = "ClientNoDocuments"
	// ErrNoRefreshToken: a user made with [App.UserFromToken] has no refresh
	// token, and the call needs one.
	ErrNoRefreshToken Code = "ClientNoRefreshToken"
	// ErrTooManyRequests: status 429; [Error.RetryAfter] says how long to wait.
	ErrTooManyRequests Code = "TooManyRequests"
	// ErrIdentityInUse: the identity to link belongs to another user. Servers
	// send no code of their own for it, so it is recognised by the text.
	ErrIdentityInUse Code = "ClientIdentityInUse"
	// ErrStreamStalled: a change stream fell silent for longer than
	// [WatchOptions].IdleTimeout.
	ErrStreamStalled Code = "ClientStreamStalled"
)

// Codes that a server sends, with the meaning given by client-api.md §1.14.
const (
	ErrMissingAuthReq               Code = "MissingAuthReq"               // the request carries no authentication
	ErrInvalidSession               Code = "InvalidSession"               // the session is revoked, expired, or of the wrong kind
	ErrUserAppDomainMismatch        Code = "UserAppDomainMismatch"        // the token belongs to another app
	ErrDomainNotAllowed             Code = "DomainNotAllowed"             // the request's origin is not allowed
	ErrReadSizeLimitExceeded        Code = "ReadSizeLimitExceeded"        // a read exceeds the server's size limit
	ErrInvalidParameter             Code = "InvalidParameter"             // a parameter has a value that is not allowed
	ErrMissingParameter             Code = "MissingParameter"             // a required parameter is missing
	ErrTwilio                       Code = "TwilioError"                  // the Twilio service failed
	ErrGCM                          Code = "GCMError"                     // the push service failed
	ErrAWS                          Code = "AWSError"                     // the AWS service failed
	ErrMongoDB                      Code = "MongoDBError"                 // the database refused the operation
	ErrArgumentsNotAllowed          Code = "ArgumentsNotAllowed"          // the call takes no such arguments
	ErrFunctionExecution            Code = "FunctionExecutionError"       // the function threw, or may not be called by this user
	ErrNoMatchingRule               Code = "NoMatchingRuleFound"          // no rule allows the operation
	ErrInternalServer               Code = "InternalServerError"          // the server failed
	ErrAuthProviderNotFound         Code = "AuthProviderNotFound"         // the provider is disabled or not configured
	ErrAuthProviderAlreadyExists    Code = "AuthProviderAlreadyExists"    // an authentication provider of that type exists
	ErrServiceNotFound              Code = "ServiceNotFound"              // no service has that name
	ErrServiceTypeNotFound          Code = "ServiceTypeNotFound"          // no service type has that name
	ErrServiceAlreadyExists         Code = "ServiceAlreadyExists"         // a service with that name exists
	ErrServiceCommandNotFound       Code = "ServiceCommandNotFound"       // the service has no such action
	ErrValueNotFound                Code = "ValueNotFound"                // no value has that name
	ErrValueAlreadyExists           Code = "ValueAlreadyExists"           // the value exists
	ErrValueDuplicateName           Code = "ValueDuplicateName"           // a value with that name exists
	ErrFunctionNotFound             Code = "FunctionNotFound"             // no function has that name
	ErrFunctionAlreadyExists        Code = "FunctionAlreadyExists"        // the function exists
	ErrFunctionDuplicateName        Code = "FunctionDuplicateName"        // a function with that name exists
	ErrFunctionSyntax               Code = "FunctionSyntaxError"          // the function's source does not parse
	ErrFunctionInvalid              Code = "FunctionInvalid"              // the function cannot be run
	ErrIncomingWebhookNotFound      Code = "IncomingWebhookNotFound"      // no webhook has that name
	ErrIncomingWebhookAlreadyExists Code = "IncomingWebhookAlreadyExists" // the webhook exists
	ErrIncomingWebhookDuplicateName Code = "IncomingWebhookDuplicateName" // a webhook with that name exists
	ErrRuleNotFound                 Code = "RuleNotFound"                 // no such rule
	ErrAPIKeyNotFound               Code = "APIKeyNotFound"               // no API key of this user has that id
	ErrRuleAlreadyExists            Code = "RuleAlreadyExists"            // the rule exists
	ErrRuleDuplicateName            Code = "RuleDuplicateName"            // a rule with that name exists
	ErrAuthProviderDuplicateName    Code = "AuthProviderDuplicateName"    // an authentication provider with that name exists
	ErrRestrictedHost               Code = "RestrictedHost"               // the host may not be called
	ErrAPIKeyAlreadyExists          Code = "APIKeyAlreadyExists"          // the user has an API key with that name
	ErrIncomingWebhookAuthFailed    Code = "IncomingWebhookAuthFailed"    // the webhook's authentication failed
	ErrExecutionTimeLimitExceeded   Code = "ExecutionTimeLimitExceeded"   // the function ran for too long
	ErrNotCallable                  Code = "NotCallable"                  // the value cannot be called
	ErrUserAlreadyConfirmed         Code = "UserAlreadyConfirmed"         // the account is confirmed
	ErrUserNotFound                 Code = "UserNotFound"                 // no account has that e-mail address
	ErrUserDisabled                 Code = "UserDisabled"                 // the account is disabled
	ErrAuth                         Code = "AuthError"                    // the credentials were refused
	ErrBadRequest                   Code = "BadRequest"                   // the request is malformed
	ErrAccountNameInUse             Code = "AccountNameInUse"             // an account with that e-mail address exists
	ErrInvalidPassword              Code = "InvalidPassword"              // unknown e-mail address, or wrong password
	ErrSchemaValidationFailedWrite  Code = "SchemaValidationFailedWrite"  // the document does not satisfy the collection's schema
	ErrMaintenanceInProgress        Code = "MaintenanceInProgress"        // the server is being maintained
	ErrUserpassTokenInvalid         Code = "UserpassTokenInvalid"         // the confirmation or reset token is unknown or expired
)

// codeTable gives each code the number of the native SDKs and a text for
// [Code.Error]. It is never written to.
var codeTable = [...]struct {
	code   Code
	number int
	text   string
}{
	{ErrUserUnknown, 4100, "the user does not belong to this app"},
	{ErrLoggedOut, 4101, "the user is logged out"},
	{ErrRedirect, 4103, "the server answered with a redirect"},
	{ErrAnonymousLink, 4105, "anonymous credentials cannot be linked to an existing user"},
	{ErrBadToken, 4200, "malformed JWT"},
	{ErrMalformedJSON, 4201, "malformed JSON"},
	{ErrMissingJSONKey, 4202, "a field is missing in the answer"},
	{ErrBadBSON, 4203, "cannot read the value"},
	{ErrHTTP, 4309, "error status without an error object"},
	{ErrResponseTooLarge, 4000, "the answer is too large"},
	{ErrNoDocuments, 4000, "no documents in result"},
	{ErrNoRefreshToken, 4101, "the user has no refresh token"},
	{ErrTooManyRequests, 4355, "too many requests"},
	{ErrIdentityInUse, 4355, "the identity belongs to another user"},
	{ErrStreamStalled, 4000, "the change stream fell silent"},

	{ErrMissingAuthReq, 4300, "authentication required"},
	{ErrInvalidSession, 4301, "invalid session"},
	{ErrUserAppDomainMismatch, 4302, "the user belongs to another app"},
	{ErrDomainNotAllowed, 4303, "origin not allowed"},
	{ErrReadSizeLimitExceeded, 4304, "read size limit exceeded"},
	{ErrInvalidParameter, 4305, "invalid parameter"},
	{ErrMissingParameter, 4306, "missing parameter"},
	{ErrTwilio, 4307, "Twilio error"},
	{ErrGCM, 4308, "push service error"},
	{ErrAWS, 4310, "AWS error"},
	{ErrMongoDB, 4311, "database error"},
	{ErrArgumentsNotAllowed, 4312, "arguments not allowed"},
	{ErrFunctionExecution, 4313, "function execution error"},
	{ErrNoMatchingRule, 4314, "no matching rule found"},
	{ErrInternalServer, 4315, "internal server error"},
	{ErrAuthProviderNotFound, 4316, "authentication provider not found"},
	{ErrAuthProviderAlreadyExists, 4317, "authentication provider already exists"},
	{ErrServiceNotFound, 4318, "service not found"},
	{ErrServiceTypeNotFound, 4319, "service type not found"},
	{ErrServiceAlreadyExists, 4320, "service already exists"},
	{ErrServiceCommandNotFound, 4321, "service command not found"},
	{ErrValueNotFound, 4322, "value not found"},
	{ErrValueAlreadyExists, 4323, "value already exists"},
	{ErrValueDuplicateName, 4324, "duplicate value name"},
	{ErrFunctionNotFound, 4325, "function not found"},
	{ErrFunctionAlreadyExists, 4326, "function already exists"},
	{ErrFunctionDuplicateName, 4327, "duplicate function name"},
	{ErrFunctionSyntax, 4328, "function syntax error"},
	{ErrFunctionInvalid, 4329, "invalid function"},
	{ErrIncomingWebhookNotFound, 4330, "incoming webhook not found"},
	{ErrIncomingWebhookAlreadyExists, 4331, "incoming webhook already exists"},
	{ErrIncomingWebhookDuplicateName, 4332, "duplicate incoming webhook name"},
	{ErrRuleNotFound, 4333, "rule not found"},
	{ErrAPIKeyNotFound, 4334, "API key not found"},
	{ErrRuleAlreadyExists, 4335, "rule already exists"},
	{ErrRuleDuplicateName, 4336, "duplicate rule name"},
	{ErrAuthProviderDuplicateName, 4337, "duplicate authentication provider name"},
	{ErrRestrictedHost, 4338, "restricted host"},
	{ErrAPIKeyAlreadyExists, 4339, "API key already exists"},
	{ErrIncomingWebhookAuthFailed, 4340, "incoming webhook authentication failed"},
	{ErrExecutionTimeLimitExceeded, 4341, "execution time limit exceeded"},
	{ErrNotCallable, 4342, "not callable"},
	{ErrUserAlreadyConfirmed, 4343, "user already confirmed"},
	{ErrUserNotFound, 4344, "user not found"},
	{ErrUserDisabled, 4345, "user disabled"},
	{ErrAuth, 4346, "authentication failed"},
	{ErrBadRequest, 4347, "bad request"},
	{ErrAccountNameInUse, 4348, "name already in use"},
	{ErrInvalidPassword, 4349, "invalid username or password"},
	{ErrSchemaValidationFailedWrite, 4350, "schema validation failed"},
	{ErrMaintenanceInProgress, 4352, "maintenance in progress"},
	{ErrUserpassTokenInvalid, 4353, "the token is invalid or expired"},
}
