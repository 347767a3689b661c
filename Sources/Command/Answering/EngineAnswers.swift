import EngineAPI
import Evaluation
import Inference
import ModelText

/// Runs rank 0's loop over all questions as one batch, and gathers the replies in the order of the calls.
package final class EngineAnswers {
  /// A text under way.
  private struct Written {
    var stream: TextStream
    var rule: StopRule
    var tokens = 0
    var logprob = 0.0
    var isCut = false

    /// True once a stop string was met.
    mutating func push(_ token: SampledToken, _ finish: FinishReason?) -> Bool {
      tokens += 1
      logprob += Double(token.logprob ?? 0)
      let piece = stream.push(token.token, isLast: finish != nil, isEnd: finish == .stop)
      let isStopped = rule.push(piece.text)
      isCut = finish == .length && !isStopped
      return isStopped
    }
  }

  private let questions: EngineQuestions
  private let codec: TextCodec
  private let endsWhenInterrupted: Bool
  /// By part: of what is generated.
  private var written: [Written?]
  /// By part: of continuations and windows.
  private var scores: [ContinuationScore?]
  private var chunks: [Int: [ScoredChunk]] = [:]
  private var failures: [Int: String]
  /// Of parts under way, and of those to come.
  private var places: [SequenceID: Int] = [:]
  private var doneCount = 0

  /// `endsWhenInterrupted`: a wish to stop, of which the loop only takes note, gives up what is not answered by then.
  package init(_ questions: EngineQuestions, codec: TextCodec, endsWhenInterrupted: Bool = false) {
    (self.questions, self.codec, self.endsWhenInterrupted) = (questions, codec, endsWhenInterrupted)
    written = Array(repeating: nil, count: questions.parts.count)
    scores = Array(repeating: nil, count: questions.parts.count)
    failures = questions.refusals
  }

  /// The replies, in the order of the calls. Throws what ends the whole run. `onProgress` hears after each step how
  /// many of the questions' parts are answered, and how many tokens were generated.
  package func run(
    _ loop: GenerationLoop, onProgress: (_ done: Int, _ tokens: Int) -> Void = { _, _ in }
  ) throws -> [ModelReply] {
    for (i, part) in questions.parts.enumerated() {
      if case .generate(_, let settings, _) = questions.calls[part.call] {
        written[i] = Written(
          stream: TextStream(
            codec.optionalTokenizer, markers: ["<think>", "</think>"], stops: StopStrings([])),
          rule: StopRule(settings.until, prompt: questions.prompts[part.call]))
      }
      do throws(InferenceError) { places[try loop.submit(part.request, index: part.call)] = i } catch {
        failures[part.call] = "\(error)"
      }
    }
    while loop.hasWork, !(endsWhenInterrupted && loop.isInterrupted) {
      for event in try loop.step() { take(event, loop) }
      onProgress(doneCount, loop.statistics.decode.tokens)
    }
    for part in places.values { failures[questions.parts[part].call] = ModelReply.interruption }
    return replies()
  }

  private func take(_ event: GenerationEvent, _ loop: GenerationLoop) {
    switch event {
    case .token(let id, let token, let finish):
      guard let part = places[id] else { return }
      let isStopped = written[part]?.push(token, finish) ?? true
      if isStopped, finish == nil { loop.cancel(id) }
      if isStopped || finish != nil { end(id) }
    case .scored(let id, let chunk, let isLast):
      guard let part = places[id] else { return }
      chunks[part, default: []].append(chunk)
      if isLast {
        scores[part] = score(part)
        chunks[part] = nil
        end(id)
      }
    case .failed(let id, let reason):
      guard let part = places[id] else { return }
      failures[questions.parts[part].call] = reason
      end(id)
    case .started, .embedded: break
    }
  }

  private func end(_ id: SequenceID) {
    places[id] = nil
    doneCount += 1
  }

  /// Position p of a chunk tells of token p + 1.
  private func score(_ part: Int) -> ContinuationScore {
    let ids = questions.parts[part].request.prompt
    var score = ContinuationScore(logprob: 0, tokenCount: 0, isGreedy: true)
    for chunk in (chunks[part] ?? []).sorted(by: { $0.firstPosition < $1.firstPosition }) {
      for i in 0..<chunk.count {
        let position = chunk.firstPosition + i
        guard position >= questions.parts[part].firstCounted, position + 1 < ids.count else { continue }
        score.logprob += Double(chunk.nextLogprobs[i])
        score.tokenCount += 1
        if chunk.top[i].first?.token != ids[position + 1] { score.isGreedy = false }
      }
    }
    return score
  }

  private func replies() -> [ModelReply] {
    var parts: [[Int]] = Array(repeating: [], count: questions.calls.count)
    for (i, part) in questions.parts.enumerated() { parts[part.call].append(i) }
    return questions.calls.indices.map { call in
      if let failure = failures[call] { return .failed(failure) }
      switch questions.calls[call] {
      case .generate:
        guard let text = parts[call].first.flatMap({ written[$0] }) else { return .failed("it was not asked") }
        return .text(text.rule.text, tokenCount: text.tokens, isCut: text.isCut, logprob: text.logprob)
      case .score: return .scores(parts[call].compactMap { scores[$0] })
      case .measure:
        let windows = parts[call].compactMap { scores[$0] }
        return .measure(
          nats: windows.reduce(0) { $0 - $1.logprob }, tokenCount: windows.reduce(0) { $0 + $1.tokenCount })
      }
    }
  }
}
