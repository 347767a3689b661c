import JSON

/// Chat templates of families whose models come without one, as their makers say that conversations are written.
enum FamilyTemplate {
  /// Of models with this `model_type`; nil for families that publish templates.
  static func source(modelType: String) -> String? {
    switch modelType {
    case "deepseek_v32": deepSeekV32
    case "deepseek_v4": deepSeekV4
    default: nil
    }
  }

  /// `model_type` of a `config.json`; nil where it is none.
  static func modelType(of config: [UInt8]) -> String? { (try? JSONValue(parsing: config))?["model_type"]?.string }

  /// Whether the model reasons; and that a role without a place is refused.
  private static let reasons = """
    {%- set reasons = (thinking is defined and thinking) or (enable_thinking is defined and enable_thinking) -%}
    """
  private static let otherRoles = """
    {{- raise_exception('the built-in template of this family has no messages but of system, user, assistant and tool; give one that has with --chat-template') -}}
    """

  /// The calls of `message` in DeepSeek's markup, in a section of this name.
  private static func calls(section: String) -> String {
    let arguments = """
      {%- if call.function.arguments is string -%}
        {{- call.function.arguments + '\\n' -}}
      {%- else -%}
        {%- for key, value in call.function.arguments.items() -%}
          {{- '<｜DSML｜parameter name="' + key + '" string="' + ('true' if value is string else 'false') + '">' -}}
          {{- (value if value is string else value | tojson) + '</｜DSML｜parameter>\\n' -}}
        {%- endfor -%}
      {%- endif -%}
      """
    return """
      {%- if message.tool_calls -%}
        {{- '\\n\\n<｜DSML｜\(section)>\\n' -}}
        {%- for call in message.tool_calls -%}
          {{- '<｜DSML｜invoke name="' + call.function.name + '">\\n' -}}
          \(arguments)
          {{- '</｜DSML｜invoke>\\n' -}}
        {%- endfor -%}
        {{- '</｜DSML｜\(section)>' -}}
      {%- endif -%}
      """
  }

  /// DeepSeek-V4, as its makers' `encoding/encoding_dsv4.py` writes conversations: results of tools are a user's, and
  /// where there are any all reasoning is kept. Of which tools there are it says nothing, and a `reasoning_effort` of
  /// `max` puts a text of its own before all, which is not in here.
  private static let deepSeekV4 = """
    {%- if reasoning_effort is defined and reasoning_effort == 'max' -%}
      {{- raise_exception('the built-in template of this family has no text for reasoning_effort max; give one that has with --chat-template') -}}
    {%- endif -%}
    {%- set place = namespace(question=-1, open=false, called=false) -%}
    {%- for message in messages -%}
      {%- if message.role == 'user' or message.role == 'tool' -%}{%- set place.question = loop.index0 -%}{%- endif -%}
      {%- if message.role == 'tool' -%}{%- set place.called = true -%}{%- endif -%}
    {%- endfor -%}
    \(reasons)
    {{- '<｜begin▁of▁sentence｜>' -}}
    {%- for message in messages -%}
      {%- if message.role == 'system' -%}
        {{- message.content -}}
      {%- elif message.role == 'user' or message.role == 'tool' -%}
        {{- '\\n\\n' if place.open else '<｜User｜>' -}}
        {{- message.content if message.role == 'user' else '<tool_result>' + message.content + '</tool_result>' -}}
        {%- set place.open = true -%}
      {%- elif message.role == 'assistant' -%}
        {{- '<｜Assistant｜>' -}}
        {%- if reasons and (place.called or loop.index0 > place.question) -%}
          {{- '<think>' + (message.reasoning_content or '') -}}
        {%- endif -%}
        {{- '</think>' + (message.content or '') -}}
        \(calls(section: "tool_calls"))
        {{- '<｜end▁of▁sentence｜>' -}}
        {%- set place.open = false -%}
      {%- else -%}
        \(otherRoles)
      {%- endif -%}
    {%- endfor -%}
    {%- if add_generation_prompt and place.open -%}
      {{- '<｜Assistant｜>' + ('<think>' if reasons else '</think>') -}}
    {%- endif -%}
    """

  /// DeepSeek-V3.2: what `encoding/encoding_dsv32.py`, beside its weights, makes of messages. It does not reason unless
  /// `thinking` (or `enable_thinking`) says so; reasoning before the last question is left out. Of which tools there
  /// are it says nothing.
  private static let deepSeekV32 = """
    {%- set place = namespace(question=-1, results=false) -%}
    {%- for message in messages -%}
      {%- if message.role == 'user' -%}{%- set place.question = loop.index0 -%}{%- endif -%}
    {%- endfor -%}
    \(reasons)
    {{- '<｜begin▁of▁sentence｜>' -}}
    {%- for message in messages -%}
      {%- if message.role == 'system' -%}
        {{- message.content -}}
      {%- elif message.role == 'user' -%}
        {{- '<｜User｜>' + message.content -}}
        {%- if add_generation_prompt or not loop.last -%}
          {{- '<｜Assistant｜>' + ('<think>' if reasons and loop.index0 == place.question else '</think>') -}}
        {%- endif -%}
      {%- elif message.role == 'tool' -%}
        {%- if not place.results -%}{{- '\\n\\n<function_results>' -}}{%- endif -%}
        {%- set place.results = true -%}
        {{- '\\n<result>' + message.content + '</result>' -}}
        {%- if loop.last or messages[loop.index].role != 'tool' -%}
          {{- '\\n</function_results>' -}}
          {%- set place.results = false -%}
          {%- if add_generation_prompt or not loop.last -%}
            {{- '\\n\\n' + ('<think>' if reasons and loop.index0 > place.question else '</think>') -}}
          {%- endif -%}
        {%- endif -%}
      {%- elif message.role == 'assistant' -%}
        {%- if reasons and loop.index0 > place.question -%}
          {{- (message.reasoning_content or '') + '</think>' -}}
        {%- endif -%}
        {{- message.content or '' -}}
        \(calls(section: "function_calls"))
        {{- '<｜end▁of▁sentence｜>' -}}
      {%- else -%}
        \(otherRoles)
      {%- endif -%}
    {%- endfor -%}
    """
}
