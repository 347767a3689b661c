import Checkpoints
import EngineAPI
import Evaluation
import Inference
import JSON
import Kernels
import MoEModel
import ModelText
import Tokenization

/// The calls of tasks as requests to this process's own engine.
package struct EngineQuestions {
  /// One request; a call has one for each continuation or window.
  package struct Part {
    package var call: Int
    package var index: Int
    package var request: GenerationRequest
    /// Of what is scored: the first position whose next token counts.
    package var firstCounted = 0
  }

  package let calls: [ModelCall]
  package private(set) var parts: [Part] = []
  /// What cannot be asked, by call.
  package private(set) var refusals: [Int: String] = [:]
  /// Prompts of calls as the model reads them; empty for what is scored.
  package private(set) var prompts: [String]

  private let codec: TextCodec
  private let description: DecoderDescription
  private let stopTokens: Set<Int32>
  private let isChat: Bool

  /// Longest window of a text that is measured.
  private static let windowLimit = 32_768

  package init(
    _ calls: [ModelCall], codec: TextCodec, checkpoint: any Checkpoint, description: DecoderDescription, isChat: Bool
  ) throws {
    (self.calls, self.codec, self.description, self.isChat) = (calls, codec, description, isChat)
    stopTokens = try StopTokens.read(checkpoint, tokenizerEnd: codec.endToken)
    prompts = Array(repeating: "", count: calls.count)
    // Without a tokenizer, or a template where one is asked for, nothing can be asked.
    _ = try codec.tokenizer()
    if isChat { _ = try codec.chatTemplate() }
    for (i, call) in calls.enumerated() {
      do throws(InferenceError) { try add(call, i) } catch { refusals[i] = "\(error)" }
      if refusals[i] != nil { while parts.last?.call == i { parts.removeLast() } }
    }
  }

  /// Tokens of attention cache with which as many sequences as there may be at once fit, up to a gibibyte; at least
  /// what the longest needs.
  package func cacheTokens(sequences: Int, ranks: Int, type: CacheType) -> Int {
    let capacities = parts.map(\.request.capacity).sorted(by: >)
    let wanted = capacities.prefix(sequences).reduce(0, +) / max(ranks, 1)
    let blockBytes = max(KeyValueCache.blockByteCount(description, type: type), 1)
    let room = (1 << 30) / blockBytes * KeyValueCache.blockTokens
    return max(capacities.first ?? 0, min(wanted + sequences / max(ranks, 1) * KeyValueCache.blockTokens, room))
  }

  private mutating func add(_ call: ModelCall, _ index: Int) throws(InferenceError) {
    switch call {
    case .generate(let prompt, let settings, let seed):
      guard let text = laidOut(prompt, index), let ids = encode(text, index) else { return }
      prompts[index] = text
      var sampling = SamplingParameters()
      (sampling.temperature, sampling.topP, sampling.topK) = (
        Float(settings.temperature), Float(settings.topP), settings.topK
      )
      sampling.seed = seed
      var request = GenerationRequest(
        prompt: try GenerationRequest.tokens(ids, index: index, description: description),
        task: .generate(maxNewTokens: settings.maxNewTokens, sampling: sampling, stopTokens: stopTokens))
      request.details = TokenDetails(topLogprobs: 0)
      parts.append(Part(call: index, index: 0, request: try request.checked(against: description, index: index)))
    case .score(let context, let continuations):
      guard let text = laidOut(context, index) else { return }
      for (i, continuation) in continuations.enumerated() { try addPair(text, continuation, index, i) }
    case .measure(let text): try addWindows(text, index)
    }
  }

  /// Tokens of the continuation are what context and continuation together have more than the context; blanks at the
  /// context's end go to the continuation first (as lm-evaluation-harness does).
  private mutating func addPair(
    _ context: String, _ continuation: String, _ call: Int, _ index: Int
  ) throws(InferenceError) {
    var head = context[...]
    while head.last?.isWhitespace == true { head.removeLast() }
    guard let whole = encode(context + continuation, call), var before = encode(String(head), call) else { return }
    var ids = whole
    if before.isEmpty, let first = firstToken { (before, ids) = ([first], [first] + ids) }
    guard !before.isEmpty, before.count < ids.count else {
      refusals[call] = "its continuation has no token of its own"
      return
    }
    try addScore(ids, call, index, firstCounted: before.count - 1)
  }

  private mutating func addWindows(_ text: String, _ call: Int) throws(InferenceError) {
    guard var ids = encode(text, call) else { return }
    if let first = firstToken, ids.first != first { ids.insert(first, at: 0) }
    guard ids.count > 1 else {
      refusals[call] = "its text has no token that follows another"
      return
    }
    let limit = max(2, min(description.maximumPositions, Self.windowLimit))
    var (start, index) = (0, 0)
    // A window begins with the last token of the one before, which it only reads.
    while start < ids.count - 1 {
      let end = min(start + limit, ids.count)
      try addScore(Array(ids[start..<end]), call, index, firstCounted: 0)
      (start, index) = (end - 1, index + 1)
    }
  }

  private mutating func addScore(_ ids: [Int], _ call: Int, _ index: Int, firstCounted: Int) throws(InferenceError) {
    var options = ScoringOptions()
    options.topCount = 1
    let request = GenerationRequest(
      prompt: try GenerationRequest.tokens(ids, index: call, description: description), task: .score(options))
    parts.append(
      Part(
        call: call, index: index, request: try request.checked(against: description, index: call),
        firstCounted: firstCounted))
  }

  /// What a text without a beginning of its own begins with.
  private var firstToken: Int? {
    guard let tokenizer = codec.optionalTokenizer else { return nil }
    return (tokenizer.bosToken ?? tokenizer.eosToken).flatMap { tokenizer.id(of: $0) }
  }

  private mutating func laidOut(_ prompt: String, _ call: Int) -> String? {
    guard isChat else { return prompt }
    do {
      return try codec.render([["role": "user", "content": .string(prompt)]], addGenerationPrompt: true)
    } catch {
      refusals[call] = "\(error)"
      return nil
    }
  }

  private mutating func encode(_ text: String, _ call: Int) -> [Int]? {
    do { return try codec.encode(text, addSpecialTokens: !isChat) } catch {
      refusals[call] = "\(error)"
      return nil
    }
  }
}
