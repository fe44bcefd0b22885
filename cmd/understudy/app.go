package main

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"understudy/api"
	"understudy/api/telemetry"
	"understudy/api/wire"
	"understudy/assistants"
	"understudy/files"
	"understudy/files/extract"
	"understudy/files/uploads"
	"understudy/files/vectorstores"
	"understudy/files/vectorstores/index"
	"understudy/runs"
	"understudy/runs/webhooks"
	"understudy/store"
	"understudy/threads"
)

// app is the wired program.
type app struct {
	repeats  *repetition
	config   Config // as it was at the start
	logger   *slog.Logger
	address  string // it listens on; "" = not yet
	hop      string // names this process in what it sends to upstreams
	db       *store.DB
	chat     *backends
	blobs    *files.Blobs
	files    *files.Service
	uploads  *uploads.Service
	stores   *vectorstores.Service
	reader   *extract.Extractor
	engine   *runs.Engine
	webhooks *webhooks.Service
	handler  *api.Handler
	seen     *telemetry.Telemetry

	stop  chan struct{}
	tasks sync.WaitGroup
	once  sync.Once
}

// newApp opens what the configuration names and wires it up; nothing runs yet.
func newApp(ctx context.Context, config Config, repeats *repetition, logger *slog.Logger) (*app, error) {
	a := &app{config: config, repeats: repeats, logger: logger, hop: wire.NewHexID("hop_"), stop: make(chan struct{})}
	a.seen = telemetry.New(telemetry.Options{Version: versionText(), Now: time.Now})
	if err := a.exportSpans(ctx); err != nil {
		return nil, err
	}
	durability := store.Full
	if config.Durability == DurabilityNormal {
		durability = store.Normal
	}
	var err error
	if a.db, err = store.Open(ctx, store.Options{Dir: config.Data, Durability: durability, Logger: logger, OnCommit: a.seen.Committed}); err != nil {
		return nil, err
	}
	blobs, err := files.OpenBlobs(filepath.Join(config.Data, "files"))
	if err != nil {
		return nil, errors.Join(err, a.db.Close())
	}
	blobs.LogTo(logger)
	a.blobs = blobs
	a.files = files.NewService(a.db, blobs, repeats.now)
	a.uploads = uploads.NewService(a.db, blobs, repeats.now)
	client, err := newChat(config, repeats, a.hop, logger)
	if err != nil {
		return nil, errors.Join(&usageError{err}, a.db.Close())
	}
	a.chat = newBackends(client)
	a.reader = extract.New(extract.Options{CacheDir: filepath.Join(config.Data, "cache")})
	a.stores = vectorstores.NewService(vectorstores.Options{
		Store: a.db, Files: a.files, Extractor: a.reader, Index: index.New(a.db, index.Options{Memory: int64(config.FileSearch.Memory) << 20}),
		Embedder: embedder{a.chat}, Logger: logger, Now: repeats.now, Workers: config.FileSearch.Workers,
	})
	a.seen.Read(a.db)
	a.files.OnDelete(a.stores.FilesDeleted)
	if a.webhooks, err = webhooks.New(webhooks.Options{
		Store: a.db, Observer: a.seen, Logger: logger, Now: time.Now, Agent: "Understudy/" + versionText(), Grace: webhookGrace,
	}, config.Webhooks.reveal()); err != nil {
		return nil, errors.Join(&usageError{err}, a.db.Close())
	}
	a.wire(config)
	return a, nil
}

func (a *app) wire(config Config) {
	models := modelCheck{a.chat}
	assistantService := assistants.NewService(a.db, a.stores, models, a.repeats.now)
	stored := a.webhooks.Runs(a.db)
	a.engine = runs.NewEngine(runs.EngineOptions{
		Store: stored, Model: a.seen.Model(a.chat), Images: a.files, Search: a.seen.Searcher(a.stores), Observer: a.seen,
		Logger: a.logger, Now: a.repeats.now, Seeds: a.repeats.seeds, Limits: config.Limits.ofRuns(), Grace: grace, Untaped: config.Tape.isOff,
	})
	options := api.Options{
		Assistants: assistantService,
		Threads:    threads.NewService(a.db, a.stores, a.repeats.now),
		Runs: runs.NewService(runs.ServiceOptions{
			Store: stored, Engine: a.engine, Assistants: assistantService, Threads: a.db, Files: a.stores, Models: models, Now: a.repeats.now,
		}),
		Files:        a.files,
		Uploads:      a.uploads,
		VectorStores: a.stores,
		Models:       listedModels{a.chat},
		Webhooks:     a.webhooks,
		Answers:      a.db,
		Upstreams:    a.chat,
		Relay:        config.Relay,
		Adopt:        config.Adopt,
		Quotes:       config.FileSearch.Quotes,
		Hop:          a.hop,
		AnyHost:      config.openToAll(),
		CORSOrigins:  config.CORSOrigins,
		Telemetry:    a.seen,
		MetricsToken: config.MetricsToken.Reveal(),
		Seeds:        a.repeats.seeds,
		Damaged:      a.db.Damaged,
		Ready:        a.ready, Version: versionText(), Logger: a.logger, Now: time.Now,
		BodyMemory: config.Limits.Bodies, RequestsPerMinute: config.Limits.RequestsPerMinute,
	}
	if config.Auth == AuthKeys {
		options.Keys = a.db
	}
	a.handler = api.New(options)
}

// start takes up what an earlier process left, and begins to work.
func (a *app) start(ctx context.Context) error {
	if err := a.repeats.begin(ctx, a.db, a.config); err != nil {
		return err
	}
	if err := a.db.PurgeThreads(ctx); err != nil {
		return err
	}
	if removed, err := a.files.Sweep(ctx); err != nil {
		return err
	} else if removed > 0 {
		a.logger.Info("removed files that an interrupted upload left", "files", removed)
	}
	if err := a.engine.Start(ctx); err != nil {
		return err
	}
	a.stores.Start()
	a.webhooks.Start()
	a.tasks.Go(a.tidy)
	a.tasks.Go(a.sweepTape)
	return nil
}

// ready says why requests cannot be served, nil when they can.
func (a *app) ready(ctx context.Context) error {
	return errors.Join(a.engine.Ready(), a.db.Ping(ctx), a.blobs.Ready())
}

// tidyInterval is how late a file may be removed after its time.
const tidyInterval = time.Minute

// tidy expires now and then.
func (a *app) tidy() {
	tick := time.NewTicker(tidyInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := a.expire(context.Background()); err != nil {
				a.logger.Error("removing what has expired", "error", err)
			}
		case <-a.stop:
			return
		}
	}
}

// expire removes what has had its time, whatever of it cannot be removed.
func (a *app) expire(ctx context.Context) error {
	_, err := a.files.Expire(ctx)
	return errors.Join(err, a.stores.Expire(ctx), a.uploads.Expire(ctx), a.webhooks.Expire(ctx), a.db.ForgetAnswers(ctx, time.Now().Add(-api.AnswerLife)),
		a.db.ExpireForks(ctx, a.repeats.now().Add(-runs.ReplayLife)))
}

// close stops what start began and closes what newApp opened.
func (a *app) close() error {
	a.once.Do(func() { close(a.stop) })
	a.engine.Stop()
	a.stores.Stop()
	a.webhooks.Stop()
	a.tasks.Wait()
	a.chat.Close()
	a.flushSpans()
	return errors.Join(a.reader.Close(), a.db.Close())
}
