//! What templates can't do wrong: tags, names and errors. That they render as Python does is `tests/templates.rs`' to say.

use super::*;

fn render(source: &str) -> Result<String> {
    let template = ChatTemplate::with_tokens(source, Some("<s>".into()), None)?;
    template.render(&[Message::new("user", "Hi")], true)
}

#[test]
fn tokens_and_flags_are_known_by_name() {
    let source = "{{ bos_token }}|{{ eos_token }}|{{ add_generation_prompt }}|{{ tools }}|{{ messages[0].content }}";
    assert_eq!(render(source).unwrap(), "<s>||True|None|Hi");
}

#[test]
fn variables_reach_the_template_but_not_past_the_messages() {
    let template = ChatTemplate::with_tokens("{{ x }}{{ messages | length }}{{ tools[0] }}", None, None).unwrap();
    let variables = json!({"x": 1, "messages": [], "tools": ["t"]});
    let text = template.render_with(&[Message::new("user", "Hi")], false, variables.as_object().unwrap());
    assert_eq!(text.unwrap(), "11t");
}

#[test]
fn a_refusal_comes_in_the_templates_own_words() {
    let error = render("{{ raise_exception('Roles must alternate!') }}").unwrap_err();
    assert_eq!(error.code(), "template");
    assert_eq!(error.to_string(), "the chat template refuses these messages: Roles must alternate!");
    // Wherever it is said.
    let inside = render("{% macro m() %}{{ raise_exception('No') }}{% endmacro %}{{ m() }}").unwrap_err();
    assert!(inside.to_string().ends_with("refuses these messages: No"), "{inside}");
}

#[test]
fn faults_are_told_with_their_line() {
    for (source, line) in
        [("\n{% if %}", "line 2"), ("{{ 1\n+ nothing() }}", "line"), ("\n\n{{ messages | fly }}", "line 3")]
    {
        let error = render(source).unwrap_err().to_string();
        assert!(error.starts_with("the chat template fails") && error.contains(line), "{error}");
    }
}

#[test]
fn a_template_that_does_not_end_is_stopped() {
    let source = "{% for a in range(99999) %}{% for b in range(99999) %}{% set c = a %}{% endfor %}{% endfor %}";
    assert!(render(source).unwrap_err().to_string().contains("fuel"));
}

#[test]
fn generation_tags_print_nothing_and_keep_their_whitespace() {
    let source = "a\n  {%- generation -%}\n b {% endgeneration %}\nc{%+ generation %} d{%endgeneration%}";
    assert_eq!(without_generation_tags(source), "a\n  {%- if true -%}\n b {% endif %}\nc{%+ if true %} d{%endif%}");
    assert_eq!(render(source).unwrap(), "ab c d");
    for untouched in ["{% set generation = 1 %}", "{{ 'generation' }}", "{% generation", "", "%}{%"] {
        assert_eq!(without_generation_tags(untouched), untouched);
    }
}

#[test]
fn the_time_is_known_only_when_it_is_told() {
    let source = "{% if strftime_now is defined %}{{ strftime_now('%d %b %Y') }}{% else %}26 Jul 2024{% endif %}";
    let mut template = ChatTemplate::with_tokens(source, None, None).unwrap();
    assert_eq!(template.render(&[], true).unwrap(), "26 Jul 2024");
    template.set_time(1_720_000_000);
    assert_eq!(template.render(&[], true).unwrap(), "03 Jul 2024");
}
