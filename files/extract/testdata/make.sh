#!/bin/sh
# Makes the documents of this directory from sources/, with the producers whose
# files people upload. Needs pandoc, pdflatex (texlive-latex-recommended, lmodern),
# LibreOffice (writer, calc, impress), qpdf and DejaVu fonts.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
office() { # office FORMAT SOURCE
	soffice "-env:UserInstallation=file://$work/office" --headless --convert-to "$1" --outdir "$work" "sources/$2" >/dev/null
}

pdflatex -interaction=batchmode -output-directory "$work" sources/paper.tex >/dev/null
qpdf --object-streams=generate --recompress-flate --compression-level=9 "$work/paper.pdf" paper.pdf
qpdf --encrypt secret secret 256 -- paper.pdf encrypted.pdf

pandoc sources/report.md -o report.docx
pandoc sources/slides.md -o slides.pptx
pandoc --standalone --metadata title=Report sources/report.md -o report.html
cp sources/page.html page.html

office docx letter.fodt && cp "$work/letter.docx" letter.docx
office xlsx accounts.fods && cp "$work/accounts.xlsx" accounts.xlsx
office pdf rtl.fodt && cp "$work/rtl.pdf" rtl.pdf
office pdf letter.fodt && cp "$work/letter.pdf" letter.pdf
