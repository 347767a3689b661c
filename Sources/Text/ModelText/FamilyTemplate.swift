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

  /// DeepSeek-V4: without tools its makers' `encoding/encoding_dsv4.py` writes conversations as DeepSeek-V3.2's does,
  /// but that a `reasoning_effort` of `max` puts a text of its own before them, which is not in here.
  private static let deepSeekV4 =
    """
    {%- if reasoning_effort is defined and reasoning_effort == 'max' -%}
      {{- raise_exception('the built-in template of this family has no text for reasoning_effort max; give one that has with --chat-template') -}}
    {%- endif -%}
    """ + deepSeekV32

  /// DeepSeek-V3.2: what `encoding/encoding_dsv32.py`, beside its weights, makes of messages without tools. It does not
  /// reason unless `thinking` (or `enable_thinking`) says so; reasoning before the last question is left out.
  private static let deepSeekV32 = """
    {%- set place = namespace(question=-1) -%}
    {%- for message in messages -%}
      {%- if message.role == 'user' -%}{%- set place.question = loop.index0 -%}{%- endif -%}
    {%- endfor -%}
    {%- set reasons = (thinking is defined and thinking) or (enable_thinking is defined and enable_thinking) -%}
    {{- '<｜begin▁of▁sentence｜>' -}}
    {%- for message in messages -%}
      {%- if message.role == 'system' -%}
        {{- message.content -}}
      {%- elif message.role == 'user' -%}
        {{- '<｜User｜>' + message.content -}}
        {%- if add_generation_prompt or not loop.last -%}
          {{- '<｜Assistant｜>' + ('<think>' if reasons and loop.index0 == place.question else '</think>') -}}
        {%- endif -%}
      {%- elif message.role == 'assistant' and not message.tool_calls -%}
        {%- if reasons and loop.index0 > place.question -%}
          {{- (message.reasoning_content or '') + '</think>' -}}
        {%- endif -%}
        {{- (message.content or '') + '<｜end▁of▁sentence｜>' -}}
      {%- else -%}
        {{- raise_exception('the built-in template of this family has no calls of tools and no messages but of system, user and assistant; give one that has with --chat-template') -}}
      {%- endif -%}
    {%- endfor -%}
    """
}
