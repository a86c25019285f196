package congasign

import (
	"testing"

	"countersign.dev/internal/db/dbtest"
)

// surfaceTests call the surface over HTTP. Each gets an account of its own; the
// database, of each engine, is shared, because making one takes longer than most of them.
var surfaceTests = map[string]func(*testing.T, *stack){
	"Aliases":                 testAliases,
	"SeedGroup":               testSeedGroup,
	"LibraryGroup":            testLibraryGroup,
	"Senders":                 testSenders,
	"LibraryPackage":          testLibraryPackage,
	"MultipartForms":          testMultipartForms,
	"PackageList":             testPackageList,
	"DeclineByAPI":            testDeclineByAPI,
	"Downloads":               testDownloads,
	"PackageQueries":          testPackageQueries,
	"Templates":               testTemplates,
	"BulkSend":                testBulkSend,
	"L6Reports":               testReports,
	"T12ForeignMembers":       testT12ForeignMembers,
	"KeptMembers":             testKeptMembers,
	"AuditXML":                testAuditXML,
	"RefusalChangesNothing":   testRefusalChangesNothing,
	"NamesComeBackFaithfully": testNamesComeBackFaithfully,
	"BadJSON":                 testBadJSON,
	"EndlessPart":             testEndlessPart,
	"Journey":                 testJourney,
	"Errors":                  testErrors,
	"Strays":                  testStrays,
	"RefusedWhileSending":     testRefusedWhileSending,
	"Shapes":                  testShapes,
	"DocumentNames":           testDocumentNames,
	"T13WaysIn":               testT13WaysIn,
	"T13SignerSessionWrites":  testT13SignerSessionWrites,
	"OAuth":                   testOAuth,
	"OAuthErrors":             testOAuthErrors,
	"ClientApp":               testClientApp,
	"ManyTokens":              testManyTokens,
	"SessionTokens":           testSessionTokens,
	"SingleUseOverHTTP":       testSingleUseOverHTTP,
	"L11Redirects":            testL11Redirects,
	"L7CookieWrites":          testL7CookieWrites,
	"Notices":                 testNotices,
	"Callbacks":               testCallbacks,
	"CallbackRoundTrip":       testCallbackRoundTrip,
	"Libraries":               testLibraries,
	"Editing":                 testEditing,
	"SigningByAPI":            testSigningByAPI,
	"Attaching":               testAttaching,
	"P8EditingBadJSON":        testP8EditingBadJSON,
	"T12MembersOfTheServer":   testT12MembersOfTheServer,
	"P7EndlessUploads":        testP7EndlessUploads,
	"T10Replay":               testT10Replay,
	"T10KeysOfDelegates":      testT10KeysOfDelegates,
	"T10Multipart":            testT10Multipart,
	"T10Refused":              testT10Refused,
	"T10Malformed":            testT10Malformed,
	"T10Concurrent":           testT10Concurrent,
	"T10Crash":                testT10Crash,
	"Settings":                testSettings,
	"ThemesAndLogos":          testThemesAndLogos,
	"CustomFields":            testCustomFields,
	"T13SettingsAreManagers":  testT13SettingsAreManagers,
	"SenderExtras":            testSenderExtras,
	"RolesAndNotServed":       testRolesAndNotServed,
	"GroupLetter":             testGroupLetter,
	"Extraction":              testExtraction,
	"T13Matrix":               testT13Matrix,
	"Anchors":                 testAnchors,
	"P2ActiveContentIsTold":   testActiveContentIsTold,
	"GroupAsRead":             testGroupAsRead,
	"PackageAsRead":           testPackageAsRead,
	"SettingsShown":           testSettingsShown,
	"Placeholders":            testPlaceholders,
	"IdleRoles":               testIdleRoles,
	"PackageSender":           testPackageSender,
	"ConsentFile":             testConsentFile,
	"SmallShapes":             testSmallShapes,
	"T10BulkSend":             testT10BulkSend,
	"P7ManyValues":            testP7ManyValues,
}

func TestSurface(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		shared := newStack(t, d)
		for name, test := range surfaceTests {
			t.Run(name, func(t *testing.T) { test(t, shared.fresh(t)) })
		}
	})
}
