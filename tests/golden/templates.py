"""Chat templates and conversations -> the prompts that tests/templates.rs compares Oriel's with.

Independent of Oriel: the templates are rendered by Python's Jinja as `transformers` sets it up. They are small ones that do
what public models' templates do; SmolLM2's own is read from its file. Not run by tests; what it made is committed. To run
it again:

    pip install transformers==5.23.0 jinja2==3.1.6 gguf==0.19.0
    python tests/golden/templates.py models/SmolLM2-135M-Instruct.Q4_1.gguf

It writes templates.json beside itself.
"""

import datetime
import json
import pathlib
import sys

import gguf
import jinja2
from transformers.utils import chat_template_utils

HERE = pathlib.Path(__file__).parent
NOW = 1720000000


class Clock(datetime.datetime):
    """A clock that stands still."""

    @classmethod
    def now(cls):
        return cls(1970, 1, 1) + datetime.timedelta(seconds=NOW)


chat_template_utils.datetime = Clock

TEMPLATES = {
    # Marks around each message; the simplest that there is.
    "chatml": r"""{% for message in messages %}{{ '<|im_start|>' + message.role + '\n' + message['content'] | trim + '<|im_end|>\n' }}
{% endfor %}
{% if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' -}}
{% endif %}
""",
    # A system message that is told apart, a date with a fallback, whitespace control on every tag.
    "llama3": r"""{{- bos_token }}
{%- if not date_string is defined %}
    {%- if strftime_now is defined %}
        {%- set date_string = strftime_now("%d %b %Y") %}
    {%- else %}
        {%- set date_string = "26 Jul 2024" %}
    {%- endif %}
{%- endif %}
{%- if not tools is defined %}
    {%- set tools = none %}
{%- endif %}
{#- A comment that prints nothing. #}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content'] | trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\n\n" }}
{%- if tools is not none %}
    {{- "Environment: ipython\n" }}
    {%- for t in tools %}
        {{- t | tojson(indent=4) }}
        {{- "\n\n" }}
    {%- endfor %}
{%- endif %}
{{- "Today Date: " + date_string + "\n\n" + system_message + "<|eot_id|>" }}
{%- for message in messages %}
    {%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}
        {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'+ message['content'] | trim + '<|eot_id|>' }}
    {%- elif message.role == 'tool' %}
        {{- "<|start_header_id|>ipython<|end_header_id|>\n\n" }}
        {%- if message.content is mapping or message.content is iterable and message.content is not string %}
            {{- message.content | tojson }}
        {%- else %}
            {{- message.content }}
        {%- endif %}
        {{- "<|eot_id|>" }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}
{%- endif %}""",
    # Tools as JSON, a default system message, conditions over several lines.
    "qwen2.5": r"""{%- if tools %}
    {{- '<|im_start|>system\n' }}
    {%- if messages[0]['role'] == 'system' %}
        {{- messages[0]['content'] }}
    {%- else %}
        {{- 'You are a helpful assistant.' }}
    {%- endif %}
    {{- "\n\n# Tools\n<tools>" }}
    {%- for tool in tools %}
        {{- "\n" }}
        {{- tool | tojson }}
    {%- endfor %}
    {{- "\n</tools>\n{\"name\": <function-name>}<|im_end|>\n" }}
{%- else %}
    {%- if messages[0]['role'] == 'system' %}
        {{- '<|im_start|>system\n' + messages[0]['content'] + '<|im_end|>\n' }}
    {%- else %}
        {{- '<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n' }}
    {%- endif %}
{%- endif %}
{%- for message in messages %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) or (message.role == "assistant" and not message.tool_calls) %}
        {{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>' + '\n' }}
    {%- elif message.role == "tool" %}
        {%- if (loop.index0 == 0) or (messages[loop.index0 - 1].role != "tool") %}
            {{- '<|im_start|>user' }}
        {%- endif %}
        {{- '\n<tool_response>\n' ~ message.content ~ '\n</tool_response>' }}
        {%- if loop.last or (messages[loop.index0 + 1].role != "tool") %}
            {{- '<|im_end|>\n' }}
        {%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
{%- endif %}
""",
    # A namespace that a loop over the reversed messages writes to, Python's methods of strings, thoughts cut out.
    "qwen3": r"""{%- set ns = namespace(multi_step_tool=true, last_query_index=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.multi_step_tool and message.role == "user" and message.content is string and not(message.content.startswith('<tool_response>') and message.content.endswith('</tool_response>')) %}
        {%- set ns.multi_step_tool = false %}
        {%- set ns.last_query_index = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if message.content is string %}
        {%- set content = message.content %}
    {%- else %}
        {%- set content = '' %}
    {%- endif %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) %}
        {{- '<|im_start|>' + message.role + '\n' + content + '<|im_end|>' + '\n' }}
    {%- elif message.role == "assistant" %}
        {%- set reasoning_content = '' %}
        {%- if message.reasoning_content is string %}
            {%- set reasoning_content = message.reasoning_content %}
        {%- else %}
            {%- if '</think>' in content %}
                {%- set reasoning_content = content.split('</think>')[0].rstrip('\n').split('<think>')[-1].lstrip('\n') %}
                {%- set content = content.split('</think>')[-1].lstrip('\n') %}
            {%- endif %}
        {%- endif %}
        {%- if loop.index0 > ns.last_query_index %}
            {%- if loop.last or (not loop.last and reasoning_content) %}
                {{- '<|im_start|>' + message.role + '\n<think>\n' + reasoning_content.strip('\n') + '\n</think>\n\n' + content.lstrip('\n') }}
            {%- else %}
                {{- '<|im_start|>' + message.role + '\n' + content }}
            {%- endif %}
        {%- else %}
            {{- '<|im_start|>' + message.role + '\n' + content }}
        {%- endif %}
        {{- '<|im_end|>\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\n\n</think>\n\n' }}
    {%- endif %}
{%- endif %}""",
    # Roles that must alternate; the system message goes into the last user message.
    "mistral": r"""{%- if messages[0]["role"] == "system" %}
    {%- set system_message = messages[0]["content"] %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set loop_messages = messages %}
{%- endif %}
{{- bos_token }}
{%- for message in loop_messages %}
    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}
        {{- raise_exception('After the optional system message, conversation roles must alternate user/assistant/user/assistant/...') }}
    {%- endif %}
    {%- if message["role"] == "user" %}
        {%- if loop.last and system_message is defined %}
            {{- "[INST] " + system_message + "\n\n" + message["content"] + "[/INST]" }}
        {%- else %}
            {{- "[INST] " + message["content"] + "[/INST]" }}
        {%- endif %}
    {%- elif message["role"] == "assistant" %}
        {{- " " + message["content"]|trim + eos_token}}
    {%- else %}
        {{- raise_exception("Only user and assistant roles are supported, with the exception of an initial optional system message!") }}
    {%- endif %}
{%- endfor %}
""",
    # No system role; the assistant is called something else; whitespace outside of tags is kept out by trimming blocks.
    "gemma": r"""{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}{% if (message['role'] == 'assistant') %}{% set role = 'model' %}{% else %}{% set role = message['role'] %}{% endif %}{{ '<start_of_turn>' + role + '
' + message['content'] | trim + '<end_of_turn>
' }}{% endfor %}{% if add_generation_prompt %}{{'<start_of_turn>model
'}}{% endif %}""",
    # Macros with default arguments, loop controls, marks for training, state that outlives a loop.
    "macros": r"""{%- macro turn(role, text, mark='>', loud=false) -%}
    {{ '<' ~ role ~ mark }}{{ text.upper() if loud else text }}{{ '\n' }}
{%- endmacro -%}
{%- set state = namespace(count=0, seen=[]) -%}
{%- for message in messages -%}
    {%- if message.role == 'system' -%}{%- continue -%}{%- endif -%}
    {%- set state.count = state.count + 1 -%}
    {%- set state.seen = state.seen + [message.role] -%}
    {%- if state.count > 3 -%}{%- break -%}{%- endif -%}
    {%- generation -%}
    {{- turn(message.role, message.content, loud=(message.role == 'user')) }}
    {%- endgeneration %}
{{ loop.index }}/{{ loop.length }} {{ loop.previtem.role if loop.previtem is defined else 'none before' }}
{% endfor %}
{{ state.count }} {{ state.seen | join(',') }}
  {% generation %}
  marked
  {% endgeneration %}
end
""",
    # How Python prints values, and its JSON.
    "values": r"""{{ true }} {{ false }} {{ none }} {{ 1 }} {{ 1.5 }} {{ 2.0 }} [{{ missing }}] {{ [1, 'a', none, true, [2]] }}
{{ {'b': 1, 'a': ["it's", 'say "hi"', 'both \' and "', 'a\nb\\']} }} {{ ('x', 1) | list }}
{{ tools | tojson }}
{{ tools | tojson(indent=2) }}
{{ tools | tojson(sort_keys=true) }} {{ text | tojson }} {{ text | tojson(ensure_ascii=true) }}
{{ tools | tojson(separators=(',', ':')) }} {{ [] | tojson(indent=2) }} {{ {} | tojson(indent=2) }} {{ {'a': []} | tojson(indent=1) }}
{{ text ~ 1 ~ 'x' }} {{ (1, 2)[0] }} {{ 7 // 2 }} {{ 7 % 4 }} {{ 2 ** 3 }} {{ 1 < 2 < 3 }} {{ 'a' in 'abc' }} {{ 'x' not in ['y'] }}
{{ true | string }} {{ 3 | string ~ 'x' }} {{ none is none }} {{ 1 is number }} {{ 'a' is string }} {{ missing is undefined }}
""",
    # Methods and filters of which templates make use.
    "methods": r"""{{ text.strip() }}|{{ text.lstrip() }}|{{ text.rstrip() }}|{{ 'xxaxx'.strip('x') }}|{{ 'a,b,c'.split(',') }}|{{ ' a  b '.split() }}|{{ 'a-b-c'.split('-', 1) }}
{{ 'abc'.startswith('ab') }} {{ 'abc'.endswith(('x', 'c')) }} {{ 'abc'.find('c') }} {{ 'a.b'.replace('.', '!') }} {{ 'hello world'.title() }} {{ 'hELLO'.capitalize() }}
{{ 'prefix-x'.removeprefix('prefix-') }} {{ 'x.txt'.removesuffix('.txt') }} {{ ', '.join(['a', 'b']) }} {{ 'aXbX'.count('X') }} {{ 'ab'.upper().lower() }} {{ '12'.isdigit() }}
{{ 'one\ntwo'.splitlines() }} {{ 'abc'[1:] }} {{ 'abc'[::-1] }} {{ 'abc'[0] }} {{ 'abc'[-1] }} {{ [1, 2, 3][-1] }} {{ [1, 2, 3][:-1] }}
{% for key, value in {'b': 2, 'a': 1}.items() %}{{ key }}={{ value }};{% endfor %}{% for key in {'k': 1} %}{{ key }}{% endfor %} {{ {'a': 1}.get('a') }} {{ {'a': 1}.get('z', 'default') }} {{ {'b': 1, 'a': 2}.keys() | list }} {% for pair in {'b': 1, 'a': 2} | dictsort %}{{ pair[0] }}{{ pair[1] }}{% endfor %}
{{ messages | map(attribute='role') | list }} {{ messages | selectattr('role', 'equalto', 'user') | list | length }} {{ messages | rejectattr('role', 'equalto', 'user') | map(attribute='role') | join('+') }}
{{ [3, 1, 2] | sort }} {{ [1, 2] | first }} {{ [1, 2] | last }} {{ 'abc' | length }} {{ '' | default('d') }} {{ missing | default('d') }} {{ '' | default('d', true) }} {{ 'a b' | replace(' ', '_') }} {{ ['a', 'b'] | join }} {{ 'x' | indent(2, true) }}
{{ range(3) | list }} {{ range(1, 6, 2) | list }} {{ [1, 2, 1] | unique | list }} {{ 'Ab' | lower }}{{ 'Ab' | upper }} {{ '  t ' | trim }}. {{ dict(a=1).a }} {{ [1, 2] + [3] }} {{ 3.7 | int }} {{ '5' | int + 1 }} {{ -3 | abs }} {{ [1, 2] | sum }} {{ [[1, 2], [3]] | map('length') | list }}
{% set x %}captured {{ text }}{% endset %}{{ x | trim }} {% filter upper %}shout{% endfilter %} {% with y = 1 %}{{ y }}{% endwith %}
{% if messages[0] is mapping and messages is sequence and text is not mapping %}kinds{% endif %} {{ messages[0].role == 'system' and 'yes' or 'no' }} {{ 'inline' if false }}.
""",
    "whitespace": r"""  {% if true %}
    kept
  {% endif %}
	{% for m in messages %}
  {{ m.role }}
    {%+ if true %}plus{% endif %}

{% endfor %}
{# comment #}
a {% if true %} b {% endif %} c
    {{- ' left' }}
{{ 'right ' -}}
    joined

last
""",
}

SYSTEM = {"role": "system", "content": " You are brief. "}
USER = {"role": "user", "content": "What is 1 + 1?\n"}
ANSWER = {"role": "assistant", "content": "<think>\nOne and one.\n</think>\n\nIt is 2. "}
AGAIN = {"role": "user", "content": "Sûr? <b>'ok'</b> 😀"}
TOOL = {"role": "tool", "content": "{\"result\": 2}"}
CONVERSATIONS = [
    [USER], [SYSTEM, USER], [USER, ANSWER, AGAIN], [SYSTEM, USER, ANSWER, AGAIN], [SYSTEM, USER, ANSWER], [USER, USER], [USER, SYSTEM, AGAIN],
    [USER, ANSWER, TOOL, TOOL, ANSWER, AGAIN, ANSWER],
]
TOOLS = [
    {"type": "function", "function": {"name": "add", "parameters": {"required": ["a"], "properties": {"a": {"type": "number"}}, "note": "<é> & 'x'"}}},
    {"name": "empty", "list": [], "map": {}, "flag": True, "none": None, "number": 1.5},
]
VARIABLES = [
    {"text": "plain"}, {"tools": TOOLS, "text": " text\n"}, {"enable_thinking": False, "date_string": "1 Jan 2000", "text": "\u20ac \"q\" \\ \t\x01 😀"},
]


def render(source, messages, add_generation_prompt, variables):
    template = chat_template_utils._compile_jinja_template(source)
    given = {"tools": None, "documents": None, **variables}
    return template.render(
        messages=messages, add_generation_prompt=add_generation_prompt, bos_token="<s>", eos_token="</s>", **given
    )


if __name__ == "__main__":
    smollm2 = gguf.GGUFReader(sys.argv[1]).fields["tokenizer.chat_template"].contents()
    templates = {"smollm2": smollm2, **TEMPLATES}
    cases = []
    for name, source in templates.items():
        for messages in CONVERSATIONS[: 2 if name in ("values", "methods", "whitespace") else None]:
            for place, variables in enumerate(VARIABLES):
                case = {"template": name, "messages": messages, "generate": place != 1, "variables": variables}
                try:
                    case["text"] = render(source, messages, place != 1, variables)
                except jinja2.exceptions.TemplateError as error:
                    case["refusal"] = error.message
                cases.append(case)
    result = {"local_seconds": NOW, "templates": templates, "cases": cases}
    (HERE / "templates.json").write_text(json.dumps(result, indent=0, separators=(",", ":")) + "\n")
