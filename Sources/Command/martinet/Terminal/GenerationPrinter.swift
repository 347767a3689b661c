import EngineAPI
import Glibc
import Inference
import JSON
import ModelText
import Reports
import Telemetry

/// Runs rank 0's loop for a list of prompts and prints what comes of them: streaming one, several in order.
final class GenerationPrinter {
  private final class Output {
    let prompt: [Int32]
    var tokens: [Int32] = []
    var text = ""
    var stream: TextStream
    var finish: FinishReason?
    var firstToken: ContinuousClock.Instant?
    var lastToken: ContinuousClock.Instant?

    init(prompt: [Int32], stream: TextStream) {
      self.prompt = prompt
      self.stream = stream
    }
  }

  private let requests: [GenerationRequest]
  private let json: Bool
  private var outputs: [Output] = []
  private var indices: [SequenceID: Int] = [:]
  private var nextToPrint = 0
  private var start = ContinuousClock.now
  /// What drafts of the whole run came to so far, where it drafts.
  private var speculation: () -> JSONValue? = { nil }

  init(codec: TextCodec, stop: [String], json: Bool, requests: [GenerationRequest]) {
    self.requests = requests
    self.json = json
    // Without a usable tokenizer, ids are printed.
    let tokenizer = codec.optionalTokenizer
    outputs = requests.map { Output(prompt: $0.prompt, stream: TextStream(tokenizer, stops: StopStrings(stop))) }
  }

  func run(_ loop: GenerationLoop) throws {
    start = .now
    speculation = { [unowned loop] in
      loop.statistics.speculation.isEmpty ? nil : loop.statistics.speculation.json
    }
    for (index, request) in requests.enumerated() { indices[try loop.submit(request, index: index)] = index }
    do {
      while loop.hasWork {
        for event in try loop.step() {
          switch event {
          case .token(let id, let token, let finish): take(token.token, id, finish, loop)
          case .failed(_, let reason): throw InferenceError.sequenceFailed(reason)
          case .started, .scored, .embedded: break
          }
        }
      }
    } catch {
      printUnfinished()
      throw error
    }
  }

  private func take(_ token: Int32, _ id: SequenceID, _ finish: FinishReason?, _ loop: GenerationLoop) {
    guard let index = indices[id], outputs[index].finish == nil else { return }
    let output = outputs[index]
    let now = ContinuousClock.now
    if output.firstToken == nil { output.firstToken = now }
    output.lastToken = now
    output.tokens.append(token)
    let piece = output.stream.push(token, isLast: finish != nil)
    if piece.isStopped {
      if finish == nil { loop.cancel(id) }
      output.finish = .stop
    } else if let finish {
      output.finish = finish
    }
    output.text += piece.text
    if !json, requests.count == 1 { show(piece.text, terminator: "") }
    printFinished()
  }

  private func printFinished() {
    while nextToPrint < outputs.count, outputs[nextToPrint].finish != nil {
      printOutput(nextToPrint)
      nextToPrint += 1
    }
  }

  private func printOutput(_ index: Int) {
    let output = outputs[index]
    if json {
      show(record(output, speculation()).text())
    } else if requests.count == 1 {
      show("")
    } else {
      show("=== prompt \(index + 1) of \(requests.count)\n\(output.text)")
    }
  }

  /// What was sampled before an interruption or a failure is shown all the same.
  private func printUnfinished() {
    if requests.count == 1, !json {
      if !outputs[0].tokens.isEmpty { show("") }
      return
    }
    for index in nextToPrint..<outputs.count where !outputs[index].tokens.isEmpty { printOutput(index) }
  }

  /// One line of JSON; a text that was cut short by an interruption has no reason to finish.
  private func record(_ output: Output, _ speculation: JSONValue?) -> JSONValue {
    let prefill = output.firstToken.map { ($0 - start) / .seconds(1) } ?? 0
    let decode = output.firstToken.flatMap { first in output.lastToken.map { ($0 - first) / .seconds(1) } } ?? 0
    func rate(_ count: Int, _ seconds: Double) -> JSONValue { .double(seconds > 0 ? Double(count) / seconds : 0) }
    let timings: JSONValue = [
      "prefill_seconds": .double(prefill),
      "decode_seconds": .double(decode),
      "prefill_tokens_per_second": rate(output.prompt.count, prefill),
      "decode_tokens_per_second": rate(output.tokens.count - 1, decode),
    ]
    var record = JSONObject([
      ("prompt_ids", .array(output.prompt.map { .int(Int($0)) })),
      ("token_ids", .array(output.tokens.map { .int(Int($0)) })),
      ("text", .string(output.text)),
      ("finish_reason", output.finish.map { .string($0.rawValue) } ?? .null),
      ("timings", timings),
    ])
    if let speculation { record["speculation"] = speculation }
    return .object(record)
  }

  /// Three lines on standard error that a person quotes, and one of drafts.
  func summarize(_ statistics: LoopStatistics, ranks: Int) {
    func number(_ value: Double) -> String { Figures.decimals(value, 1) }
    let (prefill, decode) = (statistics.prefill, statistics.decode)
    // mpirun passes the two streams on separately: let the text arrive before what is said of it.
    if ranks > 1 { usleep(50_000) }
    say(
      """
      prefill: \(prefill.tokens) tokens at \(number(prefill.tokensPerSecond)) tokens/s; decode: \(decode.tokens) \
      tokens at \(number(decode.tokensPerSecond)) tokens/s in \(decode.steps) steps
      """
    )
    if ranks > 1, decode.busiest != BusiestRank() || prefill.busiest != BusiestRank() {
      func factors(_ busiest: BusiestRank) -> String {
        """
        \(Figures.decimals(busiest.visits, 2)) × the mean visits and \(Figures.decimals(busiest.experts, 2)) × the \
        mean experts
        """
      }
      say("busiest rank: \(factors(prefill.busiest)) in prefill; \(factors(decode.busiest)) in decode")
    }
    say(
      """
      communication: \(number(prefill.communicationShare * 100)) % of prefill and \
      \(number(decode.communicationShare * 100)) % of decode on rank 0 (packing, waiting for other ranks, plans \
      and tokens)
      """
    )
    say(
      """
      sent: \(Figures.size(statistics.bytesSent)) in \(statistics.messagesSent) messages by \
      \(Figures.count(ranks, "rank")) for expert dispatch and combine
      """
    )
    if !statistics.speculation.isEmpty { say("speculation: \(statistics.speculation.summary)") }
  }
}
