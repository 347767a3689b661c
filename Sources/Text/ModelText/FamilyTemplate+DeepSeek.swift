// DeepSeek-V3.2 and V4. `program`: the makers' own, as far as texts go.
extension FamilyTemplate {
  /// Whether the model reasons; and that a role without a place is refused.
  private static let reasons = """
    {%- set reasons = (thinking is defined and thinking) or (enable_thinking is defined and enable_thinking) -%}
    """
  private static let otherRoles = """
    {{- raise_exception('the built-in template of this family has no messages but of system, user, assistant and tool; \
    give one that has with --chat-template') -}}
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

  /// What tells of the tools there are: behind a first message of the system, or as one. Empty where the program does
  /// not say how.
  private static func tools(_ text: String?) -> (atBegin: String, afterSystem: String) {
    let values = ["dsml_token": "｜DSML｜", "thinking_start_token": "<think>", "thinking_end_token": "</think>"]
    guard let parts = text.flatMap({ PythonTexts.parts(of: $0, at: "tool_schemas", values) }) else { return ("", "") }
    let shown = """
      {{- '\\n\\n' + \(literal(parts.before)) -}}
      {%- for tool in tools -%}
        {{- ('' if loop.first else '\\n') + (tool.function | tojson) -}}
      {%- endfor -%}
      {{- \(literal(parts.after)) -}}
      """
    let given = "tools is defined and tools"
    return (
      "{%- if \(given) and (not messages or messages[0].role != 'system') -%}\(shown){%- endif -%}",
      "{%- if \(given) and loop.first -%}\(shown){%- endif -%}"
    )
  }

  /// The text that V4 is told to think so hard by, for each value of `reasoning_effort` that has one. The first
  /// program knows high, which is none, and max; later ones low, high and max. What lies between counts as the makers'
  /// own service has it.
  private static func levels(_ program: PythonTexts) -> [(effort: String, text: String)] {
    var known = program.table("REASONING_EFFORT_PROMPTS") ?? [:]
    if known.isEmpty { known["max"] = program.text("REASONING_EFFORT_MAX") }
    // Without a text of its own it is what the model does unasked.
    known["high"] = known["high"] ?? ""
    let least = known["low"] ?? known["high"]
    let named = [
      ("minimal", least), ("low", least), ("medium", known["medium"] ?? least), ("high", known["high"]),
      ("xhigh", known["xhigh"] ?? known["max"]), ("max", known["max"]),
    ]
    return named.compactMap { effort, text in text.map { (effort: effort, text: $0) } }
  }

  /// DeepSeek-V4, as its makers' `encoding/encoding_dsv4.py` writes conversations: results of tools are a user's, and
  /// where there are tools or results all reasoning is kept. Who names an effort wants it to reason, unless the effort
  /// is none or a switch says otherwise.
  static func deepSeekV4(_ program: PythonTexts) -> String {
    let tools = tools(program.text("TOOLS_TEMPLATE"))
    let levels = levels(program)
    let names = (["none"] + levels.map(\.effort)).joined(separator: ", ")
    let effort = """
      {%- set effort = reasoning_effort if reasoning_effort is defined and reasoning_effort is not none else '' -%}
      {%- set levels = {\(levels.map { "\(literal($0.effort)): \(literal($0.text))" }.joined(separator: ", "))} -%}
      {%- if effort in ['xhigh', 'max'] and effort not in levels -%}
        {{- raise_exception('the built-in template of this family has no text for reasoning_effort ' \
        + effort + ': it stands in encoding/encoding_dsv4.py of the published files; put that beside the weights, \
        or give a template that has it with --chat-template') -}}
      {%- elif effort not in ['', 'none'] and effort not in levels -%}
        {{- raise_exception('reasoning_effort must be one of \(names)') -}}
      {%- endif -%}
      {%- if effort == 'none' -%}
        {%- set reasons = false -%}
      {%- elif thinking is defined or enable_thinking is defined -%}
        \(reasons)
      {%- else -%}
        {%- set reasons = effort != '' -%}
      {%- endif -%}
      """
    return """
      {%- set place = namespace(question=-1, open=false, called=(tools is defined and tools)) -%}
      {%- for message in messages -%}
        {%- if message.role == 'user' or message.role == 'tool' -%}{%- set place.question = loop.index0 -%}{%- endif -%}
        {%- if message.role == 'tool' -%}{%- set place.called = true -%}{%- endif -%}
      {%- endfor -%}
      \(effort)
      {{- '<｜begin▁of▁sentence｜>' + (levels[effort] if reasons and effort in levels else '') -}}
      \(tools.atBegin)
      {%- for message in messages -%}
        {%- if message.role == 'system' -%}
          {{- message.content -}}
          \(tools.afterSystem)
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
  }

  /// DeepSeek-V3.2: what `encoding/encoding_dsv32.py`, beside its weights, makes of messages. It does not reason unless
  /// `thinking` (or `enable_thinking`) says so; reasoning before the last question is left out.
  static func deepSeekV32(_ program: PythonTexts) -> String {
    let tools = tools(program.text("TOOLS_SYSTEM_TEMPLATE"))
    return """
      {%- set place = namespace(question=-1, results=false) -%}
      {%- for message in messages -%}
        {%- if message.role == 'user' -%}{%- set place.question = loop.index0 -%}{%- endif -%}
      {%- endfor -%}
      \(reasons)
      {{- '<｜begin▁of▁sentence｜>' -}}
      \(tools.atBegin)
      {%- for message in messages -%}
        {%- if message.role == 'system' -%}
          {{- message.content -}}
          \(tools.afterSystem)
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
}
