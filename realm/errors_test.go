package realm_test

import (
	"errors"
	"io"
	"testing"

	"regent/realm"
)

// protocolCodes is the table of client-api.md §1.14, copied from there.
var protocolCodes = map[realm.Code]int{
	"MissingAuthReq": 4300, "InvalidSession": 4301, "UserAppDomainMismatch": 4302, "DomainNotAllowed": 4303, "ReadSizeLimitExceeded": 4304,
	"InvalidParameter": 4305, "MissingParameter": 4306, "TwilioError": 4307, "GCMError": 4308, "HTTPError": 4309, "AWSError": 4310,
	"MongoDBError": 4311, "ArgumentsNotAllowed": 4312, "FunctionExecutionError": 4313, "NoMatchingRuleFound": 4314, "InternalServerError": 4315,
	"AuthProviderNotFound": 4316, "AuthProviderAlreadyExists": 4317, "ServiceNotFound": 4318, "ServiceTypeNotFound": 4319, "ServiceAlreadyExists": 4320,
	"ServiceCommandNotFound": 4321, "ValueNotFound": 4322, "ValueAlreadyExists": 4323, "ValueDuplicateName": 4324, "FunctionNotFound": 4325,
	"FunctionAlreadyExists": 4326, "FunctionDuplicateName": 4327, "FunctionSyntaxError": 4328, "FunctionInvalid": 4329, "IncomingWebhookNotFound": 4330,
	"IncomingWebhookAlreadyExists": 4331, "IncomingWebhookDuplicateName": 4332, "RuleNotFound": 4333, "APIKeyNotFound": 4334, "RuleAlreadyExists": 4335,
	"RuleDuplicateName": 4336, "AuthProviderDuplicateName": 4337, "RestrictedHost": 4338, "APIKeyAlreadyExists": 4339, "IncomingWebhookAuthFailed": 4340,
	"ExecutionTimeLimitExceeded": 4341, "NotCallable": 4342, "UserAlreadyConfirmed": 4343, "UserNotFound": 4344, "UserDisabled": 4345, "AuthError": 4346,
	"BadRequest": 4347, "AccountNameInUse": 4348, "InvalidPassword": 4349, "SchemaValidationFailedWrite": 4350, "MaintenanceInProgress": 4352,
	"UserpassTokenInvalid": 4353, "BadToken": 4200, "MalformedJson": 4201, "MissingJsonKey": 4202, "BadBsonParse": 4203,
	"ClientUserNotFound": 4100, "ClientUserNotLoggedIn": 4101, "ClientRedirectError": 4103, "ClientUserAlreadyNamed": 4105,
}

func TestCodes(t *testing.T) {
	for code, number := range protocolCodes {
		if code.Number() != number {
			t.Errorf("%s has number %d, want %d", string(code), code.Number(), number)
		}
		if text := code.Error(); text == "realm: "+string(code) {
			t.Errorf("%s has no description", string(code))
		}
		if err := (&realm.Error{Code: code, StatusCode: 400}); !errors.Is(err, code) || err.NumericCode() != number {
			t.Errorf("an error with the code %s is not that code", string(code))
		}
	}
	if n := realm.Code("Unheard").Number(); n != 4355 {
		t.Errorf("an unknown code has number %d", n)
	}
	if text := realm.Code("Unheard").Error(); text != "realm: Unheard" {
		t.Errorf("an unknown code says %q", text)
	}
}

func TestErrorText(t *testing.T) {
	for want, err := range map[string]*realm.Error{
		"realm: POST http://h/login: unauthorized (401 Unauthorized, InvalidPassword)": {Method: "POST", URL: "http://h/login", StatusCode: 401, Code: "InvalidPassword", Message: "unauthorized"},
		"realm: GET http://h/x: unexpected EOF":                                        {Method: "GET", URL: "http://h/x", Err: io.ErrUnexpectedEOF},
		"realm: GET http://h/x: reading the answer: unexpected EOF (200 OK)":           {Method: "GET", URL: "http://h/x", StatusCode: 200, Message: "reading the answer", Err: io.ErrUnexpectedEOF},
		"realm: GET http://h/x (999)":                                                  {Method: "GET", URL: "http://h/x", StatusCode: 999},
	} {
		if err.Error() != want {
			t.Errorf("got %q, want %q", err.Error(), want)
		}
	}
	err := error(&realm.Error{Err: io.ErrUnexpectedEOF})
	if !errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, realm.Code("")) || errors.Is(err, realm.ErrBadRequest) {
		t.Error("errors.Is")
	}
}
