// Package blob keeps document bytes under keys.
//
// A key is a slash-separated path of letters, digits, '-', '_' and '.', chosen
// by us and never by a client. A blob is written whole or not at all and is
// durable when Put returns. What a blob means, and when it may be deleted, is
// its owner's business.
package blob

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
)

// ErrNone is returned for a key that holds nothing.
var ErrNone = errors.New("no such blob")

// Store keeps blobs.
type Store interface {
	// Put stores data durably under key, replacing what is there.
	Put(ctx context.Context, key string, data []byte) error
	// Get returns the bytes under key, or ErrNone.
	Get(ctx context.Context, key string) ([]byte, error)
	// Delete removes a key; one that holds nothing is no error.
	Delete(ctx context.Context, key string) error
}

var keyForm = regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$`)

// Dir is a Store of files below one folder.
type Dir struct{ root *os.Root }

// OpenDir opens a folder as a Store and makes it when needed.
func OpenDir(path string) (*Dir, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	return &Dir{root: root}, nil
}

// Put writes a temporary file, syncs it and renames it into place.
func (d *Dir) Put(_ context.Context, key string, data []byte) error {
	if !keyForm.MatchString(key) {
		return fmt.Errorf("blob key %q", key)
	}
	folder := filepath.Dir(key)
	if err := d.root.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	tmp := filepath.Join(folder, ".put-"+randomName())
	if err := d.write(tmp, data); err != nil {
		_ = d.root.Remove(tmp)
		return err
	}
	if err := d.root.Rename(tmp, key); err != nil {
		_ = d.root.Remove(tmp)
		return err
	}
	return d.syncFolder(folder)
}

func (d *Dir) write(name string, data []byte) error {
	f, err := d.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// syncFolder makes the rename itself durable.
func (d *Dir) syncFolder(folder string) error {
	f, err := d.root.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Get reads a whole blob.
func (d *Dir) Get(_ context.Context, key string) ([]byte, error) {
	data, err := d.root.ReadFile(key)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s", ErrNone, key)
	}
	return data, err
}

// Delete removes a blob.
func (d *Dir) Delete(_ context.Context, key string) error {
	if err := d.root.Remove(key); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Close releases the folder.
func (d *Dir) Close() error { return d.root.Close() }

// randomName keeps two writers of one key from sharing a temporary file.
func randomName() string { return rand.Text() }
