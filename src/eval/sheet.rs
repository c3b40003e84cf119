//! A page that shows inputs, output and scores side by side, in one self-contained HTML file.
//!
//! *In*: rows of JPEG pictures and numbers. *Out*: HTML text without links to anything outside. *Invariant*: every text is
//! escaped, every picture embedded.

use std::fmt::Write as _;

/// One line of the page.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SheetRow {
    /// What it is called.
    pub name: String,
    /// JPEG files, in the order of the sheet's columns.
    pub pictures: Vec<Vec<u8>>,
    /// Name and value of each score.
    pub scores: Vec<(&'static str, f64)>,
}

/// The page: `title`, a line of text under it, one heading per picture column, average scores, rows.
pub fn html(title: &str, note: &str, columns: &[&str], average: &[(&'static str, f64)], rows: &[SheetRow]) -> String {
    let style = "body{font:14px sans-serif;margin:1.5em;color:#222}table{border-collapse:collapse}td,th{padding:4px 8px;\
                 vertical-align:top;text-align:left;border-bottom:1px solid #ddd}img{display:block;max-width:320px}\
                 dl{display:grid;grid-template-columns:auto auto;gap:0 1em;margin:0;font-variant-numeric:tabular-nums}dd{margin:0;text-align:right}\
                 .average{display:flex;flex-wrap:wrap;gap:.3em 1.6em;padding:.6em .8em;background:#f2f2f2;margin:1em 0;width:fit-content}\
                 .average b{font-weight:600;margin-right:.5em}thead th{position:sticky;top:0;background:#fff}";
    let title = escape(title);
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title><style>{style}</style></head>\n\
         <body><h1>{title}</h1><p>{}</p>\n",
        escape(note)
    );
    page.push_str("<div class=\"average\"><i>average</i>");
    for (name, value) in average {
        // Writing to a string cannot fail.
        let _ = write!(page, "<span><b>{}</b>{value:.4}</span>", escape(name));
    }
    page.push_str("</div>\n");
    page.push_str("<table><thead><tr><th>picture</th>");
    for column in columns {
        let _ = write!(page, "<th>{}</th>", escape(column));
    }
    page.push_str("<th>scores</th></tr></thead><tbody>\n");
    for row in rows {
        let _ = write!(page, "<tr><th>{}</th>", escape(&row.name));
        for picture in &row.pictures {
            let _ = write!(page, "<td><img alt=\"\" src=\"data:image/jpeg;base64,{}\"></td>", base64(picture));
        }
        let _ = writeln!(page, "<td>{}</td></tr>", list(&row.scores));
    }
    page.push_str("</tbody></table></body></html>\n");
    page
}

fn list(scores: &[(&'static str, f64)]) -> String {
    let items: String = scores.iter().map(|(name, value)| format!("<dt>{}</dt><dd>{value:.4}</dd>", escape(name))).collect();
    format!("<dl>{items}</dl>")
}

/// Text for HTML, in elements and in quoted attributes.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// RFC 4648, with padding.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let letter = |bits: u32| ALPHABET.get((bits & 63) as usize).map_or('=', |&c| char::from(c));
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word = (0..3).fold(0_u32, |word, at| word << 8 | u32::from(chunk.get(at).copied().unwrap_or(0)));
        let letters = [18, 12, 6, 0].map(|shift| letter(word >> shift));
        text.extend(letters.into_iter().take(chunk.len() + 1));
        text.extend(std::iter::repeat_n('=', 3 - chunk.len()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_as_in_the_rfc() {
        let known = [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")];
        for (plain, coded) in known {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }

    #[test]
    fn names_are_escaped() {
        let row = SheetRow { name: "<b>&\"".into(), pictures: vec![vec![1, 2]], scores: vec![("EN", 1.0)] };
        let page = html("t", "n", &["fused"], &[("EN", 1.0)], &[row]);
        assert!(page.contains("&lt;b&gt;&amp;&quot;") && page.contains("base64,AQI="));
        assert!(page.contains("<b>EN</b>1.0000"));
    }
}
