import Hummingbird

/// An endpoint.
enum Route: String, CaseIterable {
  case page = "/"
  case health = "/health"
  case ready = "/ready"
  case version = "/version"
  case metrics = "/metrics"
  case cluster = "/cluster"
  case rebalance = "/admin/rebalance"
  case models = "/v1/models"
  case chatCompletions = "/v1/chat/completions"
  case completions = "/v1/completions"
  case responses = "/v1/responses"
  case inputTokens = "/v1/responses/input_tokens"
  case messages = "/v1/messages"
  case countTokens = "/v1/messages/count_tokens"
  case embeddings = "/v1/embeddings"
  case tokenize = "/tokenize"
  case detokenize = "/detokenize"

  /// The route of a path without its query, and the name after `/v1/models/`.
  static func find(_ path: String) -> (route: Route, name: String?)? {
    if let route = Route(rawValue: path) { return (route, nil) }
    let prefix = Route.models.rawValue + "/"
    if path.hasPrefix(prefix), path.utf8.count > prefix.utf8.count {
      return (.models, String(path.dropFirst(prefix.count)))
    }
    // As clients whose base address ends in "/" write it.
    if path.hasSuffix("/"), let route = Route(rawValue: String(path.dropLast())) { return (route, nil) }
    return nil
  }

  /// What the router is to match. A model's name may have slashes.
  var patterns: [RouterPath] { [RouterPath(rawValue)] + (self == .models ? [RouterPath(rawValue + "/**")] : []) }

  var takesPost: Bool {
    switch self {
    case .rebalance, .chatCompletions, .completions, .responses, .inputTokens, .messages, .countTokens, .embeddings,
      .tokenize,
      .detokenize:
      true
    default: false
    }
  }

  var methods: [String] { takesPost ? ["POST", "OPTIONS"] : ["GET", "HEAD", "OPTIONS"] }

  /// Answers whoever asks, without a key.
  var isOpen: Bool {
    switch self {
    case .page, .health, .ready, .version: true
    default: false
    }
  }

  /// Whether a path belongs to the Anthropic API, whose errors have a form of their own, also where there is nothing.
  static func isOfMessages(_ path: String) -> Bool {
    path == Route.messages.rawValue || path.hasPrefix(Route.messages.rawValue + "/")
  }
}
