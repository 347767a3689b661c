import Evaluation
import JSON
import LoadGenerator
import Machine

/// Asks a server that speaks OpenAI's API what tasks ask.
package struct EndpointAnswers: Sendable {
  private let client: ServerClient
  /// As it is asked for.
  package let model: String
  private let isChat: Bool
  private let concurrency: Int
  private let timeout: Double
  /// Who the server says answered.
  package let answered = AnsweringModels()

  private init(client: ServerClient, model: String, isChat: Bool, concurrency: Int, timeout: Double) {
    (self.client, self.model, self.isChat) = (client, model, isChat)
    (self.concurrency, self.timeout) = (concurrency, timeout)
  }

  /// The server's address.
  package var url: String { client.url }

  /// Finds the server's model, lets `body` ask, and closes all connections.
  package static func with<T: Sendable>(
    url: String, model: String?, key: String?, authorities: String?, concurrency: Int, timeout: Double, isChat: Bool,
    _ body: @Sendable (EndpointAnswers) async throws -> T
  ) async throws -> T {
    let client = try ServerClient(url: url, key: key, authorities: authorities, connections: concurrency)
    do {
      // Asked also where a name is given: a server that is not there is found before the first question.
      let listed: String?
      do throws(LoadError) { listed = try await client.model() } catch {
        if case .unreachable = error { throw error }
        guard model != nil else { throw error }
        listed = nil
      }
      let answers = EndpointAnswers(
        client: client, model: model ?? listed ?? "", isChat: isChat, concurrency: concurrency, timeout: timeout)
      let result = try await body(answers)
      await client.close()
      return result
    } catch {
      await client.close()
      throw error
    }
  }

  /// What a token's log-probability may be: rounding may lift it a little above 0.
  private static let logprobs = -1e6...0.01

  private enum Event: Sendable {
    case answered(Int, ModelReply)
    case interrupt
  }

  /// The replies in the order of the calls; what fails says why. Once the user wants to stop, what is asked is given
  /// up and nothing more is.
  package func replies(_ calls: [ModelCall], onProgress: (_ done: Int) -> Void) async -> [ModelReply] {
    var replies = Array(repeating: ModelReply.failed(ModelReply.interruption), count: calls.count)
    await withTaskGroup(of: Event.self) { group in
      group.addTask {
        while !Task.isCancelled, !Interrupt.requested { try? await Task.sleep(for: .milliseconds(50)) }
        return .interrupt
      }
      var (next, done) = (0, 0)
      while done < calls.count {
        while next < calls.count, next - done < concurrency {
          let (index, call) = (next, calls[next])
          group.addTask { .answered(index, await reply(call)) }
          next += 1
        }
        guard case .answered(let index, let reply)? = await group.next() else { break }
        replies[index] = reply
        done += 1
        onProgress(done)
      }
      group.cancelAll()
    }
    return replies
  }

  private func reply(_ call: ModelCall) async -> ModelReply {
    do throws(LoadError) {
      switch call {
      case .generate(let prompt, let settings, let seed): return try await text(prompt, settings, seed)
      case .score(let context, let continuations):
        var scores: [ContinuationScore] = []
        for continuation in continuations { scores.append(try await score(context, continuation)) }
        return .scores(scores)
      case .measure(let text):
        let score = try await score("", text)
        return .measure(nats: -score.logprob, tokenCount: score.tokenCount)
      }
    } catch { return .failed("\(error)") }
  }

  private func text(
    _ prompt: String, _ settings: GenerationSettings, _ seed: UInt64
  ) async throws(LoadError) -> ModelReply {
    var body = JSONObject([
      ("model", .string(model)), ("max_tokens", .int(settings.maxNewTokens)),
      ("temperature", .double(settings.temperature)), ("seed", .number(JSONNumber(text: "\(seed)"))),
    ])
    if settings.topP < 1 { body["top_p"] = .double(settings.topP) }
    if settings.topK > 0 { body["top_k"] = .int(settings.topK) }
    let path = isChat ? "/v1/chat/completions" : "/v1/completions"
    if isChat {
      body["messages"] = [["role": "user", "content": .string(prompt)]]
    } else {
      body["prompt"] = .string(prompt)
      // APIs take four at most; the rest is cut here. In chats they would end the thinking, too.
      if !settings.until.isEmpty { body["stop"] = .array(settings.until.prefix(4).map { .string($0) }) }
    }
    let reply = try await client.answer(path, .object(body), timeout: timeout)
    answered.note(reply["model"]?.string)
    guard let choice = reply["choices"]?.array?.first else {
      throw .malformedReply(what: "a request to \(path)", reason: "it has no choices")
    }
    guard let content = isChat ? choice["message"]?["content"] : choice["text"], content.string != nil || content.isNull
    else { throw .malformedReply(what: "a request to \(path)", reason: "its choice has no text") }
    var text = content.string ?? ""
    let message = choice["message"]
    if let reasoning = (message?["reasoning_content"] ?? message?["reasoning"])?.string, !reasoning.isEmpty {
      text = "<think>\(reasoning)</think>\(text)"
    }
    var rule = StopRule(settings.until)
    let isStopped = rule.push(text)
    return .text(
      rule.text, tokenCount: AnswerReader.count(reply["usage"]?["completion_tokens"]) ?? 0,
      isCut: !isStopped && choice["finish_reason"]?.string == "length", logprob: nil)
  }

  /// By the log-probabilities of an echoed prompt, which completions tell.
  private func score(_ context: String, _ continuation: String) async throws(LoadError) -> ContinuationScore {
    var head = context[...]
    while head.last?.isWhitespace == true { head.removeLast() }
    let whole = context + continuation
    let body: JSONValue = [
      "model": .string(model), "prompt": .string(whole), "max_tokens": 1, "temperature": 0, "echo": true, "logprobs": 1,
    ]
    let what = "a request to /v1/completions with echo and logprobs"
    let reply = try await client.answer("/v1/completions", body, timeout: timeout)
    answered.note(reply["model"]?.string)
    guard let told = reply["choices"]?.array?.first?["logprobs"], let values = told["token_logprobs"]?.array,
      let offsets = told["text_offset"]?.array, offsets.count == values.count
    else { throw .malformedReply(what: what, reason: "it tells no log-probabilities of the prompt") }
    let tops = told["top_logprobs"]?.array ?? []
    let counted = head.unicodeScalars.count..<whole.unicodeScalars.count
    var score = ContinuationScore(logprob: 0, tokenCount: 0, isGreedy: true)
    for (i, (value, offset)) in zip(values, offsets).enumerated() {
      guard let offset = offset.exactInt, counted.contains(offset) else { continue }
      guard let logprob = value.double else {
        // The first token of a text follows none.
        guard i > 0 else { continue }
        throw .malformedReply(what: what, reason: "a token's log-probability is no number")
      }
      guard Self.logprobs.contains(logprob) else {
        throw .malformedReply(what: what, reason: "\(logprob) is no log-probability of a token")
      }
      score.logprob += logprob
      score.tokenCount += 1
      let most = tops.indices.contains(i) ? tops[i].object?.values.compactMap(\.double).max() : nil
      if let most, most > logprob { score.isGreedy = false }
    }
    guard score.tokenCount > 0 else {
      throw .malformedReply(what: what, reason: "the continuation has no token of its own")
    }
    return score
  }
}
