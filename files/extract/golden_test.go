package extract

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

var update = flag.Bool("update", false, "write what is read as what should be read; check the difference by eye")

// cache keeps the compiled PDF engine for all tests of this run.
var cache string

func TestMain(m *testing.M) {
	flag.Parse()
	var err error
	if cache, err = os.MkdirTemp("", "extract"); err != nil {
		panic(err)
	}
	code := m.Run()
	if err := os.RemoveAll(cache); err != nil {
		panic(err)
	}
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// documents were made by the producers whose files people upload; see
// testdata/README.md. What should be read from each stands in testdata/golden
// and was compared with how the document looks.
var documents = []string{
	"paper.pdf", "letter.pdf", "rtl.pdf", "report.docx", "letter.docx", "slides.pptx", "accounts.xlsx", "page.html", "report.html",
}

func TestDocuments(t *testing.T) {
	e := New(Options{CacheDir: cache})
	defer func() { require.NoError(t, e.Close()) }()
	for _, name := range documents {
		t.Run(name, func(t *testing.T) {
			file, err := os.Open(filepath.Join("testdata", name))
			require.NoError(t, err)
			defer func() { require.NoError(t, file.Close()) }()
			info, err := file.Stat()
			require.NoError(t, err)

			doc, err := e.Extract(t.Context(), name, file, info.Size())
			require.NoError(t, err)

			golden := filepath.Join("testdata", "golden", name+".txt")
			if *update {
				require.NoError(t, os.WriteFile(golden, []byte(describe(doc)), 0o644))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			require.Equal(t, string(want), describe(doc))
		})
	}
}

var kindNames = map[Kind]string{Paragraph: "paragraph", Heading: "heading", List: "list", Table: "table", Code: "code"}

// describe shows a document block by block, so that a person can check it.
func describe(doc *Document) string {
	var text strings.Builder
	for _, b := range doc.Blocks {
		fmt.Fprintf(&text, "[%s, page %d]\n%s\n\n", kindNames[b.Kind], b.Page, b.Text)
	}
	return text.String()
}

func TestSupported(t *testing.T) {
	for _, extension := range strings.Fields(".c .cpp .cs .css .csv .docx .go .html .java .js .json .md .pdf .php .pptx .py .rb .sh .tex .ts .txt .xlsx") {
		require.True(t, Supported("dir.x/a"+extension), extension)
		require.True(t, Supported("A"+strings.ToUpper(extension)), extension)
	}
	for _, name := range []string{"", "pdf", "a.doc", "a.xls", "a.ppt", "a.png", "a.zip", "a.pdf.exe", "a."} {
		require.False(t, Supported(name), name)
	}
}
