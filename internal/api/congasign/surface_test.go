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
	"Notices":                 testNotices,
}

func TestSurface(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		shared := newStack(t, d)
		for name, test := range surfaceTests {
			t.Run(name, func(t *testing.T) { test(t, shared.fresh(t)) })
		}
	})
}
