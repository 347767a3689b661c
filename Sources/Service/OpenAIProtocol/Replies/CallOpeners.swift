/// What begins calls in a reply.
struct CallOpeners: Sendable {
  /// What says by itself that calls follow.
  let markers: [Marker]
  /// What may be a call without the marker that should have opened it, after other text and at its beginning.
  let unopened, unopenedAtStart: [Marker]
  /// What ends calls.
  let ends: [Marker]
  /// Special tokens end reasoning that was not closed; other markers may be mentioned there.
  let endReasoning: Bool

  var inContent: [Marker] { markers + unopened }
  var atStart: [Marker] { markers + unopenedAtStart }

  /// None without tools.
  init(_ syntax: ToolCallFormat.Syntax, tools: [ToolDefinition]) {
    let section = SectionMarkers(syntax)
    let tags = MarkupTags.of(syntax)
    endReasoning = section != nil || tags != nil
    guard !tools.isEmpty else {
      (markers, unopened, unopenedAtStart, ends) = ([], [], [], [])
      return
    }
    ends =
      section.map { SectionMarkers.spellings($0.callClose) + SectionMarkers.spellings($0.close) }
      ?? ([.hermes, .qwenCoder, .glm, .hunyuan].contains(syntax) ? [Marker("</tool_call>")] : [])
      + (syntax == .hunyuan ? [Marker("</tool_calls>")] : [])
      + (tags?.closes ?? [])
    let names = tools.map(\.name)
    switch syntax {
    // Models leave out the section's beginning now and then.
    case .deepSeekFenced, .deepSeekPlain, .kimi, .solar:
      markers = section.map { SectionMarkers.spellings($0.open) + SectionMarkers.spellings($0.callOpen) } ?? []
      (unopened, unopenedAtStart) = ([], [])
    case .markup, .olderMarkup:
      markers = tags.map { $0.opens + [$0.call] } ?? []
      (unopened, unopenedAtStart) = ([], [])
    // Without a mark, a call's tag may be text.
    case .miniMax:
      markers = tags?.opens ?? []
      unopened = tags.map { [$0.call] } ?? []
      unopenedAtStart = unopened
    case .hermes:
      markers = [Marker("<tool_call>")]
      unopened =
        ["{\"name\": \"", "{\"name\":\""].flatMap { open in names.map { Marker(open + $0 + "\"") } }
        + CallTags.functions
      unopenedAtStart = CallTags.functions
    case .qwenCoder:
      markers = [Marker("<tool_call>")]
      (unopened, unopenedAtStart) = (CallTags.functions, CallTags.functions)
    case .glm:
      markers = [Marker("<tool_call>")]
      let heads = names.flatMap { name in ["\n", ""].flatMap { ["\(name)\($0)<arg_key>", "\(name)\($0)</tool_call>"] } }
      unopened = heads.map { Marker("\n" + $0) }
      unopenedAtStart = heads.map { Marker($0) }
    case .hunyuan:
      markers = [Marker("<tool_calls>"), Marker("<tool_call>")]
      (unopened, unopenedAtStart) = ([], [])
    case .mistral:
      markers = [Marker("[TOOL_CALLS]")]
      (unopened, unopenedAtStart) = ([], [])
    // Llama 3.1's own form for functions of users.
    case .llama:
      markers = [Marker("<|python_tag|>")]
      (unopened, unopenedAtStart) = (CallTags.functions, CallTags.functions)
    case .none, .harmony: (markers, unopened, unopenedAtStart) = ([], [], [])
    }
  }

  /// Whether a reply may begin with calls as bare JSON, without what should open them.
  static func mayBeBare(_ syntax: ToolCallFormat.Syntax) -> Bool {
    switch syntax {
    case .hermes, .glm, .hunyuan, .qwenCoder, .mistral, .llama: true
    case .none, .deepSeekFenced, .deepSeekPlain, .markup, .olderMarkup, .miniMax, .kimi, .solar, .harmony: false
    }
  }
}
