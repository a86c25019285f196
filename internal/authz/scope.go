package authz

import "slices"

// The scopes of Acrobat Sign Embed 2.0 (Create an Embed user token) that our
// routes ask for by name.
const (
	AccountRead     Right = "sign_account_read"
	AccountWrite    Right = "sign_account_write"
	UserRead        Right = "sign_user_read"
	UserWrite       Right = "sign_user_write"
	UserImpersonate Right = "sign_oem_user_impersonate"
)

// UserScopes are the scopes that a user token may carry.
var UserScopes = []Right{"openid", "AdobeID", "agreement_read", "agreement_sign", "agreement_write", "agreement_send",
	"agreement_retention", "agreement_vault", "sign_library_read", "sign_library_write", "sign_library_retention",
	"widget_read", "widget_write", "workflow_read", "workflow_write", UserWrite, UserRead, "sign_user_login",
	"sign_webhook_read", "sign_webhook_write", "sign_webhook_retention"}

// PartnerScopes are the scopes that only a technical account's own token carries.
var PartnerScopes = []Right{AccountRead, AccountWrite, UserImpersonate, "ee.GROUP_SIGN_OEM", "user_management_sdk"}

// TechnicalScopes are all that a technical account may hold.
var TechnicalScopes = slices.Concat(UserScopes, PartnerScopes)
