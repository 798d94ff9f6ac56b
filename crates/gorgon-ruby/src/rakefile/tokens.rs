//! The words of a Ruby text, as far as a Rakefile needs them: names, literals, signs and line ends.

/// One word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// A name, with `::` and what is behind it, `?`, `!`, `@` and `$`.
    Name(String),
    /// A string, and whether all of it is literal.
    Text(String, bool),
    /// A symbol.
    Symbol(String),
    /// Operators of several characters are one.
    Sign(&'static str),
    /// A line ends; so far the next one is indented.
    Line(usize),
}

const SIGNS: [&str; 33] = [
    "<<", "+=", "-=", "=>", "==", "=~", "!=", "||", "&&", "&.", "**", "..", "=", "+", "-", "|",
    "&", "(", ")", "[", "]", "{", "}", ",", ".", "?", ":", ";", "<", ">", "*", "!", "%",
];

/// Cuts a text into its words.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let mut reader = Reader {
        rest: text,
        tokens: Vec::new(),
        heredocs: Vec::new(),
        spaced: false,
    };
    while !reader.rest.is_empty() {
        reader.step();
    }
    reader.tokens.push(Token::Line(0));
    reader.tokens
}

struct Reader<'a> {
    rest: &'a str,
    tokens: Vec<Token>,
    /// Ends of texts that begin with the next line.
    heredocs: Vec<String>,
    /// A blank stands before what comes next.
    spaced: bool,
}

impl Reader<'_> {
    fn step(&mut self) {
        let first = self.rest.chars().next().unwrap_or('\n');
        let spaced = std::mem::replace(&mut self.spaced, matches!(first, ' ' | '\t'));
        match first {
            '\n' => self.line(),
            '#' => {
                let end = self.rest.find('\n').unwrap_or(self.rest.len());
                self.rest = &self.rest[end..];
            }
            '\\' if self.rest.starts_with("\\\n") => self.rest = &self.rest[2..],
            '\'' | '"' | '`' => {
                self.rest = &self.rest[1..];
                let (text, literal) = self.until(first, None);
                self.tokens.push(Token::Text(text, literal && first != '`'));
            }
            ':' if self.begins_symbol(spaced) => self.symbol(),
            '%' if self.is_operand(spaced) => self.percent(),
            '/' if self.is_operand(spaced) => self.regexp(),
            '<' if self.heredoc() => {}
            _ if is_name(first) || first == '@' || first == '$' => {
                let name = self.name();
                self.tokens.push(Token::Name(name));
            }
            _ => match SIGNS.iter().find(|sign| self.rest.starts_with(**sign)) {
                Some(sign) => {
                    self.rest = &self.rest[sign.len()..];
                    self.tokens.push(Token::Sign(sign));
                }
                None => self.rest = &self.rest[first.len_utf8()..],
            },
        }
    }

    fn line(&mut self) {
        self.rest = &self.rest[1..];
        for end in std::mem::take(&mut self.heredocs) {
            while !self.rest.is_empty() {
                let (line, rest) = self.rest.split_once('\n').unwrap_or((self.rest, ""));
                self.rest = rest;
                if line.trim() == end {
                    break;
                }
            }
        }
        if self.rest.starts_with("=begin") {
            let end = self
                .rest
                .find("\n=end")
                .map_or(self.rest.len(), |at| at + 5);
            self.rest = &self.rest[end..];
        }
        let indent = self.rest.len() - self.rest.trim_start_matches([' ', '\t']).len();
        self.tokens.push(Token::Line(indent));
    }

    /// Whether a value may stand here, so that `/` and `%` begin one.
    fn is_operand(&self, spaced: bool) -> bool {
        match self.tokens.last() {
            None | Some(Token::Line(_)) => true,
            Some(Token::Sign(sign)) => !matches!(*sign, ")" | "]" | "}"),
            // A blank before and none behind: `sh %{ls}`, but not `a % b`.
            Some(Token::Name(_)) if spaced && !self.rest[1..].starts_with([' ', '=']) => true,
            Some(Token::Name(name)) => {
                matches!(
                    name.as_str(),
                    "if" | "unless" | "when" | "and" | "or" | "not" | "return" | "in" | "do"
                )
            }
            Some(Token::Text(..) | Token::Symbol(_)) => false,
        }
    }

    /// `:b` of `a: :b`, but not of `A::b`.
    fn begins_symbol(&self, spaced: bool) -> bool {
        let mut next = self.rest[1..].chars();
        let next = next.next();
        (spaced || !matches!(self.tokens.last(), Some(Token::Sign(":"))))
            && next.is_some_and(|c| is_name(c) && !c.is_ascii_digit() || c == '"' || c == '\'')
    }

    fn symbol(&mut self) {
        self.rest = &self.rest[1..];
        let first = self.rest.chars().next().unwrap_or('\n');
        if first == '"' || first == '\'' {
            self.rest = &self.rest[1..];
            let (text, _) = self.until(first, None);
            self.tokens.push(Token::Symbol(text));
        } else {
            let name = self.name();
            self.tokens.push(Token::Symbol(name));
        }
    }

    fn name(&mut self) -> String {
        let mut end = self.rest.chars().next().map_or(0, char::len_utf8);
        while let Some(character) = self.rest[end..].chars().next() {
            let rest = &self.rest[end..];
            let colons = |rest: &str| {
                rest.strip_prefix("::")
                    .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase()))
            };
            if is_name(character) {
                end += character.len_utf8();
            } else if colons(rest) {
                end += 3;
            } else {
                end += usize::from(matches!(character, '?' | '!') && !rest[1..].starts_with('='));
                break;
            }
        }
        let (name, rest) = self.rest.split_at(end);
        self.rest = rest;
        name.to_owned()
    }

    /// `%w(…)` becomes a list of texts, `%q`, `%Q` and `%(…)` a text; others are skipped.
    fn percent(&mut self) {
        let kind = self.rest[1..].chars().next().unwrap_or('\n');
        let (letter, open) = if kind.is_ascii_alphabetic() {
            (kind, self.rest[2..].chars().next())
        } else {
            ('Q', Some(kind))
        };
        let Some(open) = open.filter(|c| c.is_ascii_punctuation()) else {
            self.rest = &self.rest[1..];
            return;
        };
        let skipped = if kind.is_ascii_alphabetic() { 3 } else { 2 };
        self.rest = &self.rest[skipped..];
        let (close, nested) = match open {
            '(' => (')', Some('(')),
            '[' => (']', Some('[')),
            '{' => ('}', Some('{')),
            '<' => ('>', Some('<')),
            same => (same, None),
        };
        let (text, literal) = self.until(close, nested);
        match letter {
            'w' | 'W' | 'i' | 'I' => {
                self.tokens.push(Token::Sign("["));
                for word in text.split_whitespace() {
                    self.tokens.push(Token::Text(word.to_owned(), literal));
                    self.tokens.push(Token::Sign(","));
                }
                self.tokens.push(Token::Sign("]"));
            }
            'q' | 'Q' => self.tokens.push(Token::Text(text, literal)),
            _ => self.tokens.push(Token::Text(text, false)),
        }
    }

    fn regexp(&mut self) {
        self.rest = &self.rest[1..];
        let (text, _) = self.until('/', None);
        self.tokens.push(Token::Text(text, false));
    }

    /// Notes the end of a text that begins with the next line.
    fn heredoc(&mut self) -> bool {
        let Some(rest) = self.rest.strip_prefix("<<") else {
            return false;
        };
        let rest = rest.strip_prefix(['-', '~']).unwrap_or(rest);
        let rest = rest.strip_prefix(['\'', '"']).unwrap_or(rest);
        let end = rest.find(|c: char| !is_name(c)).unwrap_or(rest.len());
        let (name, rest) = rest.split_at(end);
        if !name.starts_with(|c: char| c.is_ascii_uppercase()) {
            return false;
        }
        self.rest = rest.strip_prefix(['\'', '"']).unwrap_or(rest);
        self.heredocs.push(name.to_owned());
        self.tokens.push(Token::Text(String::new(), false));
        true
    }

    /// Reads up to the end of a literal; false where something is put into it.
    fn until(&mut self, close: char, nested: Option<char>) -> (String, bool) {
        let (mut text, mut literal, mut depth) = (String::new(), true, 0);
        let mut characters = self.rest.char_indices();
        while let Some((at, character)) = characters.next() {
            if character == '\\' {
                text.extend(characters.next().map(|(_, escaped)| escaped));
                continue;
            }
            if Some(character) == nested {
                depth += 1;
            } else if character == close {
                if depth == 0 {
                    self.rest = &self.rest[at + character.len_utf8()..];
                    return (text, literal);
                }
                depth -= 1;
            }
            literal &= !(character == '#' && close != '\'' && self.rest[at..].starts_with("#{"));
            text.push(character);
        }
        self.rest = "";
        (text, false)
    }
}

fn is_name(character: char) -> bool {
    character == '_' || character.is_alphanumeric()
}
