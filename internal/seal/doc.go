// Package seal holds the key that seals finished documents, makes the
// signatures that go into them, and checks signatures found in documents.
//
// A seal is a detached CMS signature (RFC 5652) at the PAdES baseline level B-B
// (ETSI EN 319 142-1 §6): SHA-256, one signer, and three signed attributes:
// content-type, message-digest and signing-certificate-v2 (RFC 5035 §3). The
// time of signing stands in the PDF's signature dictionary (/M), never in the
// CMS (EN 319 142-1 §6.3), so Sign needs no clock.
//
// The key is the operator's own (PEM or PKCS#12) or is made at the first start:
//
//	no row ──Open──> generation 1: a CA (20 years) and a signing certificate (10 years)
//	generation n ──Open, certificate near its end──> generation n+1: same CA, new certificate
//	generation n ──Open, CA near its end──> generation n+1: new CA, new certificate
//
// Replicas that start together agree on a generation because its row is
// inserted on conflict do nothing and then read back. Old generations are kept:
// their CAs stay in TrustPEM, so what they sealed stays verifiable. Open always
// makes and verifies a test seal; a server that cannot seal must not start.
//
// Verify is strict, because it judges bytes from strangers: DER only, exactly
// one signer, no attribute twice, no data left over, no certificate outside
// the signer's chain, no unknown unsigned attribute. What fails is named in
// Signature.Problems; a signature with a problem is not valid.
//
// This package does not read or write PDF files (package pdf), does not decide
// whether a document is intact (package evidence), asks no time-stamp
// authority and does no revocation checking yet: a time-stamp token found in a
// signature is reported as not checked and never raises its level.
package seal
