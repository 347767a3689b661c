import Glibc
import LoadGenerator

/// What is sent in a run, and before it.
struct LoadSetting: Sendable {
  var shape: RequestShape
  var prompts: [LoadPrompt]
  var warmUp: [LoadPrompt]
}

extension BenchServe {
  /// The prompts of the file that --dataset names; nil where it names none.
  func datasetLines() throws -> [LoadPrompt]? {
    switch dataset {
    case "random", "shared-prefix": return nil
    default:
      let path = dataset == "heldout" ? Self.heldoutPath : dataset
      if dataset == "heldout", access(path, R_OK) != 0 {
        throw PromptError.unreadable(
          path: path,
          reason: "it is part of the sources only; run this in a clone, or name a copy as --dataset FILE.jsonl")
      }
      return try InputText.objects(path).map { try LoadPrompt($0.object, line: $0.number) }
    }
  }

  /// Asks the server for what is not given, and makes all prompts.
  func prepare(_ client: ServerClient, _ lines: [LoadPrompt]?) async throws -> LoadSetting {
    let name: String
    if let model { name = model } else { name = try await client.model() }
    let source = try await source(client, lines, model: name)
    var vocabulary = 1
    if lines == nil {
      if let vocabularySize { vocabulary = vocabularySize } else { vocabulary = try await client.vocabularySize() }
    }
    // One series, so that those of the warm-up have the same prefix.
    let all = try source.prompts(warmup + requests, seed: seed, vocabularySize: vocabulary)
    var shape = RequestShape(endpoint: try endpoint(of: all), model: name, outputLength: outputLength)
    shape.ignoresEnd = ignoreEos
    shape.temperature = temperature
    shape.timeout = timeout
    shape.retries = retry
    return LoadSetting(shape: shape, prompts: Array(all.dropFirst(warmup)), warmUp: Array(all.prefix(warmup)))
  }

  private func source(_ client: ServerClient, _ lines: [LoadPrompt]?, model: String) async throws -> PromptSource {
    guard let lines else {
      let length = promptLength ?? 128
      return dataset == "random" ? .random(length: length) : .sharedPrefix(prefix: prefixLength, tail: length)
    }
    guard let length = promptLength ?? (dataset == "heldout" ? 128 : nil) else { return .given(lines) }
    var texts: [[Int32]] = []
    for line in lines {
      switch line {
      case .ids(let ids): texts.append(ids)
      case .text(let text): texts.append(try await client.tokenize(text, model: model))
      case .messages:
        throw PromptError.malformedMessages(
          path: dataset, reason: "conversations cannot be cut to --prompt-length; leave it out")
      }
    }
    return .stretches(texts, length: length)
  }

  /// The endpoint asked for, or the one that fits; throws where a prompt cannot be sent there.
  private func endpoint(of prompts: [LoadPrompt]) throws -> Endpoint {
    let hasIDs = prompts.contains { if case .ids = $0 { true } else { false } }
    let hasMessages = prompts.contains { if case .messages = $0 { true } else { false } }
    let endpoint = endpoint ?? (hasIDs ? .completions : .chat)
    if endpoint == .chat, hasIDs {
      throw PromptError.malformedMessages(path: dataset, reason: "token ids can be sent to --endpoint completions only")
    }
    if endpoint == .completions, hasMessages {
      throw PromptError.malformedMessages(path: dataset, reason: "conversations can be sent to --endpoint chat only")
    }
    return endpoint
  }
}
