package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
	"unicode/utf8"

	"understudy/api/keys"
	"understudy/api/wire"
	"understudy/store"
)

// openKeys opens the database the flags name, beside a server that may be
// using it.
func openKeys(ctx context.Context, flags StoreFlags, sys System) (*store.DB, error) {
	dir, err := loadDataDir(flags, sys.Getenv)
	if err != nil {
		return nil, &usageError{err}
	}
	return store.OpenShared(ctx, store.Options{Dir: dir, Logger: slog.New(slog.DiscardHandler)})
}

// Run makes a key and prints it, once.
func (c *KeysCreateCmd) Run(ctx context.Context, sys System) (err error) {
	if err := errors.Join(checkLabel("--project", c.Project, 1), checkLabel("the name", c.Name, 0)); err != nil {
		return &usageError{err}
	}
	db, err := openKeys(ctx, c.StoreFlags, sys)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	key, text := keys.Mint(c.Project, c.Name, time.Now())
	if err := db.CreateKey(ctx, key); err != nil {
		return err
	}
	fmt.Fprintf(sys.Stderr, "Key %s for project %q. It is shown this once:\n", key.ID, key.Project)
	_, err = fmt.Fprintln(sys.Stdout, text)
	return err
}

// maxLabel bounds a key's name and project, in characters.
const maxLabel = 64

// checkLabel refuses what would not fit a line of the list.
func checkLabel(what, text string, least int) error {
	n := utf8.RuneCountInString(text)
	if n < least || n > maxLabel || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return fmt.Errorf("%s %q must have %d to %d printable characters; write a shorter word instead", what, text, least, maxLabel)
	}
	return nil
}

// Run lists the keys.
func (c *KeysListCmd) Run(ctx context.Context, sys System) (err error) {
	db, err := openKeys(ctx, c.StoreFlags, sys)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	all, err := db.Keys(ctx)
	if err != nil {
		return err
	}
	if c.JSON {
		return listJSON(sys, all)
	}
	table := tabwriter.NewWriter(sys.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tPROJECT\tNAME\tCREATED\tREVOKED")
	for _, k := range all {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", k.ID, k.Project, k.Name, k.CreatedAt.UTC().Format(time.DateTime), revoked(k))
	}
	return table.Flush()
}

func revoked(k keys.Key) string {
	if k.RevokedAt == nil {
		return ""
	}
	return k.RevokedAt.UTC().Format(time.DateTime)
}

func listJSON(sys System, all []keys.Key) error {
	out := json.NewEncoder(sys.Stdout)
	for _, k := range all {
		line := struct {
			ID        string     `json:"id"`
			Project   string     `json:"project"`
			Name      string     `json:"name"`
			CreatedAt time.Time  `json:"created_at"`
			RevokedAt *time.Time `json:"revoked_at"`
		}{k.ID, k.Project, k.Name, k.CreatedAt.UTC(), k.RevokedAt}
		if err := out.Encode(line); err != nil {
			return err
		}
	}
	return nil
}

// Run revokes a key.
func (c *KeysRevokeCmd) Run(ctx context.Context, sys System) (err error) {
	db, err := openKeys(ctx, c.StoreFlags, sys)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	err = db.RevokeKey(ctx, c.ID, time.Now())
	if errors.Is(err, wire.ErrNotFound) {
		return fmt.Errorf("no key %q is in use; 'understudy keys list' shows them", c.ID)
	}
	if err == nil {
		_, err = fmt.Fprintf(sys.Stdout, "Key %s is revoked.\n", c.ID)
	}
	return err
}
