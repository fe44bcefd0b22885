package extract

import (
	"regexp"

	"github.com/JohannesKaufmann/html-to-markdown/v2/converter"
	"github.com/JohannesKaufmann/html-to-markdown/v2/plugin/base"
	"github.com/JohannesKaufmann/html-to-markdown/v2/plugin/commonmark"
	tables "github.com/JohannesKaufmann/html-to-markdown/v2/plugin/table"
)

// inlineImage is an image whose bytes stand in the page itself.
var inlineImage = regexp.MustCompile(`!\[[^\]]*\]\(data:[^)]*\)`)

// webPage reads HTML as the Markdown that says the same.
func webPage(text string, out *builder) error {
	convert := converter.NewConverter(converter.WithPlugins(
		base.NewBasePlugin(), commonmark.NewCommonmarkPlugin(commonmark.WithListEndComment(false)), tables.NewTablePlugin(),
	))
	read, err := convert.ConvertString(text)
	if err != nil {
		return invalid("The page cannot be read: %v.", err)
	}
	return markdown(inlineImage.ReplaceAllString(read, ""), out)
}
