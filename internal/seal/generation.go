package seal

import (
	"context"
	"crypto"
	"crypto/x509"
	"fmt"
	"time"

	"countersign.dev/internal/db"
	"countersign.dev/internal/secret"
)

// generation is one row of seal_keys: an authority and a signing certificate it issued.
type generation struct {
	number   int64
	ca, leaf authority
}

// loadGenerations reads all generations, oldest first, and the database's time.
func loadGenerations(ctx context.Context, d *db.DB, box *secret.Box) (all []generation, now time.Time, err error) {
	err = d.Read(ctx, func(tx *db.Tx) (err error) {
		if now, err = tx.Now(); err != nil {
			return err
		}
		all, err = readGenerations(tx, box)
		return err
	})
	return all, now, err
}

// generationRow is a row of seal_keys.
type generationRow struct {
	Generation    int64
	CACertificate []byte `db:"ca_certificate"`
	CAKey         []byte `db:"ca_key"`
	Certificate   []byte
	PrivateKey    []byte
}

func readGenerations(tx *db.Tx, box *secret.Box) ([]generation, error) {
	rows, err := db.All[generationRow](tx, `select generation, ca_certificate, ca_key, certificate, private_key
		from seal_keys order by generation`)
	if err != nil {
		return nil, err
	}
	all := make([]generation, 0, len(rows))
	for _, r := range rows {
		g := generation{number: r.Generation}
		if g.ca, err = unseal(box, r.CACertificate, r.CAKey); err == nil {
			g.leaf, err = unseal(box, r.Certificate, r.PrivateKey)
		}
		if err != nil {
			return nil, fmt.Errorf("sealing key %d: %w (is this the master key it was made with?)", r.Generation, err)
		}
		all = append(all, g)
	}
	return all, nil
}

func unseal(box *secret.Box, certificate, sealed []byte) (authority, error) {
	c, err := x509.ParseCertificate(certificate)
	if err != nil {
		return authority{}, err
	}
	der, err := box.Unseal(purpose, sealed)
	if err != nil {
		return authority{}, err
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return authority{}, err
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return authority{}, fmt.Errorf("keys of type %T cannot sign", key)
	}
	return authority{c, signer}, nil
}

// ensure adds a generation when there is none or the last one nears its end.
// It returns all of them, among which another replica's may have won.
func ensure(ctx context.Context, d *db.DB, box *secret.Box, organisation string, all []generation, now time.Time) ([]generation, error) {
	if n := len(all); n > 0 && now.Before(all[n-1].leaf.certificate.NotAfter.Add(-renewBefore)) {
		return all, nil
	}
	next, err := successor(all, organisation, now)
	if err != nil {
		return nil, fmt.Errorf("make a sealing key: %w", err)
	}
	caKey, err := x509.MarshalPKCS8PrivateKey(next.ca.key)
	if err != nil {
		return nil, err
	}
	leafKey, err := x509.MarshalPKCS8PrivateKey(next.leaf.key)
	if err != nil {
		return nil, err
	}
	err = d.Write(ctx, func(tx *db.Tx) (err error) {
		_, err = tx.Exec(`insert into seal_keys (generation, ca_certificate, ca_key, certificate, private_key, created)
			values ($1, $2, $3, $4, $5, clock_ms()) on conflict do nothing`,
			next.number, next.ca.certificate.Raw, box.Seal(purpose, caKey), next.leaf.certificate.Raw, box.Seal(purpose, leafKey))
		if err == nil {
			all, err = readGenerations(tx, box)
		}
		return err
	})
	return all, err
}

// successor makes the next generation; it keeps the CA while that outlives a
// new signing certificate's useful time.
func successor(all []generation, organisation string, now time.Time) (generation, error) {
	next := generation{number: 1}
	var err error
	if n := len(all); n > 0 {
		next.number, next.ca = all[n-1].number+1, all[n-1].ca
	}
	if next.ca.certificate == nil || now.After(next.ca.certificate.NotAfter.Add(-2*renewBefore)) {
		if next.ca, err = newCA(organisation, now); err != nil {
			return generation{}, err
		}
	}
	next.leaf, err = newLeaf(next.ca, organisation, now)
	return next, err
}
