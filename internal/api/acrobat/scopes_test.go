package acrobat

// allScopes are those of a technical account, as the vendor lists them.
const allScopes = "openid,AdobeID,agreement_read,agreement_sign,agreement_write,agreement_send,agreement_retention,agreement_vault," +
	"sign_library_read,sign_library_write,sign_library_retention,widget_read,widget_write,workflow_read,workflow_write,sign_user_write," +
	"sign_user_read,sign_user_login,sign_webhook_read,sign_webhook_write,sign_webhook_retention," +
	"sign_account_read,sign_account_write,sign_oem_user_impersonate,ee.GROUP_SIGN_OEM,user_management_sdk"
