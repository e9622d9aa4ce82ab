"""The awkward texts that tests/tokens.rs tokenises."""

WORDS = [
    "", " ", "a", "Hello", "Hello world", " Hello world", "Hello  world", "hello, world!", "HELLO WORLD", "hElLo WoRlD",
    "The quick brown fox jumps over the lazy dog.", "What is the capital of France?", "Once upon a time, there was a",
    "to be or not to be: that is the question", "I", "antidisestablishmentarianism", "pneumonoultramicroscopicsilicovolcanoconiosis",
    "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft", "supercalifragilisticexpialidocious" * 4,
    "a" * 300, "ab" * 150, "x" * 17 + " " + "y" * 33, "Mississippi" * 12, "e" * 64 + "E" * 64,
]

CONTRACTIONS = [
    "it's", "It's", "IT'S", "it’s", "don't", "DON'T", "Don'T", "we're", "We'Re", "WE'RE", "I've", "I'VE", "I'm", "I'M",
    "she'll", "SHE'LL", "he'd", "HE'D", "y'all'd've", "'tis", "'s", "'S", "''s", "rock 'n' roll", "O'Reilly's", "it'ſ", "'re 're",
    "the dogs' bowls", "'", "''", "'a", "' s", "fo'c's'le", "can't've'd", "x's't're've'm'll'd",
]

NUMBERS = [
    "0", "1", "12", "123", "1234", "12345", "123456789012345", "3.14159", "1,000,000", "1_000_000", "-273.15", "+49 30 123456",
    "0x1F600", "1e-10", "2024-07-03", "12:34:56", "$1,299.99", "50%", "№ 7", "½ ¾ ⅓", "x²+y³=z⁴", "Ⅷ Ⅻ", "①②③", "١٢٣٤٥", "१२३४५",
    "一二三四五", "a1b2c3", "1st 2nd 3rd", " 1 22 333 4444 ", "v1.2.3-rc.4", "192.168.0.1", "１２３", "𝟏𝟐𝟑", "10^100", "007",
]

SPACES = [
    "  ", "   ", "    ", "        ", " " * 15, " " * 16, " " * 17, " " * 40, " " * 100, "a ", "a  ", "a   b", " a", "  a", "   a",
    "    indented", "\t", "\t\t", "\tindented", "\t\tindented twice", " \t mixed \t ", "a\tb", "a \tb", "\n", "\n\n", "\n\n\n", "\r\n",
    "\r\n\r\n", "\r", "a\nb", "a\n\nb", "a\r\nb", "a \n b", "a\n  b", "trailing \n", " \n \n ", "\n \n", "  \n  ", "end.\n\n\n\nStart",
    "\u00a0", "a\u00a0b", "\u2003em\u2003space", "\u3000全角\u3000", "\u200bzero\u200bwidth\u200b", "\u2028line\u2029para", "\u1680ogham",
    "\u0085next", "a\u0085b", "\ufeffBOM", "a\ufeffb", "\u180emongolian", "\u202fnarrow", "\x0b\x0c", "x \x0b y\x0c z", "\t\n\t\n", "   \t\t\t   ",
]

CONTROLS = [
    "\x00", "a\x00b", "\x00\x00", "\x01\x02\x03", "\x07bell", "\x1b[31mred\x1b[0m", "\x7f", "a\x7fb", "\x80\x81", "\x1f", "\u00ad", "soft\u00adhyphen",
    "\u2060", "\ufff9\ufffa\ufffb", "\ufffd", "a\ufffdb", "\uffff", "\U0010ffff", "\ue000", "\U000f0000", "\u061c", "\u202eright to left\u202c",
    "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f",
]

EMOJI = [
    "😀", "😀😀😀", "I ❤️ you", "❤", "❤️", "👍🏽", "👩‍💻", "👨‍👩‍👧‍👦", "👨‍👩‍👧‍👦 family", "🏳️‍🌈", "🇫🇷", "🇩🇪🇫🇷🇯🇵", "1️⃣2️⃣", "#️⃣", "🧑🏿‍🚀🚀", "a😀b", " 😀 ",
    "😀!", "🤷‍♀️", "🫠🫡", "☃️", "⚡⚡", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "✨🎉 party 🎉✨", "👋 Hi! 👋", "🙂🙃" * 10, "⌚️📱💻", "\u200d", "\ufe0f", "🏽",
]

SCRIPTS = [
    "你好，世界", "你好", "今天天气很好。", "東京都は日本の首都です。", "ひらがなとカタカナ", "ｶﾀｶﾅ", "한국어 문장입니다.", "안녕하세요", "한", "\u1112\u1161\u11ab",
    "Привет, мир!", "Здравствуйте", "ЁЖИК", "Καλημέρα κόσμε", "Ελλάδα", "مرحبا بالعالم", "السَّلَامُ عَلَيْكُمْ", "שלום עולם", "שָׁלוֹם", "नमस्ते दुनिया",
    "हिन्दी में एक वाक्य।", "ক্ষ বাংলা", "தமிழ் மொழி", "తెలుగు", "ಕನ್ನಡ", "മലയാളം", "ภาษาไทยไม่มีช่องว่าง", "ລາວ", "မြန်မာ", "ខ្មែរ", "ქართული", "Հայերեն",
    "አማርኛ", "ᚠᛇᚻ", "བོད་ཡིག", "𐎀𐎁𐎂", "𓀀𓀁", "𠜎𠜱𠝹", "ꦗꦮ", "Ꮳꮃꭹ", "Tiếng Việt có dấu", "Ñandú, pingüino, año", "Zażółć gęślą jaźń", "Příliš žluťoučký kůň",
    "İstanbul ıĞğŞş", "Straße ẞ", "Œuvre æther", "naïve café résumé", "Þórr ð", "ﬁ ﬂ ﬀ", "Ⓐⓑ", "𝓗𝓮𝓵𝓵𝓸", "ＡＢＣ", "ɸɒɹ", "λx.x", "ǅ ǈ", "ʰʷ", "ªº",
]

COMBINING = [
    "e\u0301", "cafe\u0301", "n\u0303", "a\u0308o\u0308u\u0308", "\u0301", " \u0301", "a\u0301\u0302\u0303", "Z\u0351\u036b\u0343a\u0334l\u0335g\u0336o\u0337", "é", "Å Å \u212b", "\u1e9b\u0323",
    "q\u0307\u0323", "\u0915\u094d\u0937", "\u0e01\u0e33", "1\u20dd", "a\u20d7", "\u0300\u0301 x", "Ω \u2126", "K \u212a",
]

CODE = [
    "def f(x):\n    return x + 1\n", "for (int i = 0; i < n; ++i) { a[i] = b[i]; }", "if (a && b || !c) return;", "let x: Vec<&'a str> = vec![];",
    "#include <stdio.h>\n\nint main(void) {\n\tprintf(\"%d\\n\", 42);\n}\n", "SELECT * FROM t WHERE a='b' AND c>=1;", "<div class=\"x\">&amp;</div>",
    "{\"key\": [1, 2.5, null, true], \"s\": \"a\\u00e9\"}", "https://example.com/a/b?c=d&e=f#g", "user@example.com", "C:\\Users\\x\\file.txt", "~/.bashrc",
    "$HOME/${x:-y} `cmd` $(sub)", "camelCaseName snake_case_name SCREAMING_CASE kebab-case", "a->b::c.d->e", "x = y ? z : w;", "/* comment */ // line",
    "<!-- html -->", "```python\nprint('hi')\n```", "| a | b |\n|---|---|\n| 1 | 2 |", "\\frac{a}{b} \\alpha_{i}^{2}", "=> == === != !== <= >= << >> **",
    "[[[]]] (((()))) {{{}}}", "...", "....", "…", "--", "---", "—–", "!!!", "?!?!", "\"quoted\"", "“curly”", "«guillemets»", "(a) [b] {c} <d>", "a/b\\c|d",
    "@#$%^&*()_+", "~`", ";:,.", "   if x:\n\t\treturn\n", "0b1010 0o17 0xFF", "fn main() {}\r\n", "\t\t\t}\n\t\t}\n\t}\n}\n", "a=b;c=d", "#!/bin/sh\nset -e\n",
]

SPECIAL = [
    "<|endoftext|>", "a<|endoftext|>b", "<|endoftext|><|endoftext|>", " <|endoftext|> ", "<|endoftext|", "|endoftext|>", "<|ENDOFTEXT|>", "<|im_start|>user\nHi<|im_end|>\n",
    "<|im_start|>", "<|im_start|>system\nYou are brief.<|im_end|>\n<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n", "<|im_end|>\n\n", "<|im_", "<repo_name>x<file_sep>y",
    "<filename>a.py<gh_stars>", "<s>", "</s>", "<s>a</s>", "<unk>", "<pad>", "[INST] a [/INST]", "<0x0A>", "<0xE2>", "▁", "▁a", "a▁b", "Ġ", "Ġa", "Ċ", "âĢĻ", "<jupyter_code>1+1<jupyter_output>2",
]

MIXED = [
    "Hello, 世界! Привет 123 😀", "mixedКириллицаLatin", "abc中文def", "日本語とEnglishの混在123テスト", "a\u0301b\u200dc\ufe0fd", "٣ apples & 5 תפוחים", "price: 5€, £6, ¥700, ₹8",
    "50°C ±2µm ≈ ∞ ∑∫√ ∀x∈ℝ", "→←↑↓ ■□▲△ ♠♥♦♣ ♪♫", "ＦＵＬＬ　ｗｉｄｔｈ", "a" + "\u0300" * 20, "word" + " " * 12 + "word", "línea\r\n\tañadida\u00a0ñ", "1\n2\n3\n\n4\t5  6   7",
    "C'est l'été, n'est-ce pas ?", "„Anführung“ – ‚einfach‘", "x\u2009y\u2002z", "end\u3002next\uff0cthen\uff01", "🇺🇸USA🇺🇸", "#hashtag @mention", "ﷺ ﷽", "¡Hola! ¿Qué tal?", "İi̇Iı", "ŉ ǰ ẖ",
]

TEXTS = WORDS + CONTRACTIONS + NUMBERS + SPACES + CONTROLS + EMOJI + SCRIPTS + COMBINING + CODE + SPECIAL + MIXED
assert len(TEXTS) == len(set(TEXTS)), [text for text in TEXTS if TEXTS.count(text) > 1]
