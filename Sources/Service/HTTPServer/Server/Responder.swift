import HTTPTypes
import Hummingbird
import JSON
import NIOCore
import OpenAIProtocol

/// A request's surroundings: its connection, and what it is for.
struct ConnectionContext: RequestContext {
  var coreContext: CoreRequestContextStorage
  let channel: any Channel
  /// The route of its path, and the name in it; nil where no route has that path.
  var target: (route: Route, name: String?)?

  init(source: ApplicationRequestContextSource) {
    coreContext = .init(source: source)
    channel = source.channel
  }
}

/// What each route answers.
struct Responder: Sendable {
  typealias Context = ConnectionContext

  let server: ModelServer

  /// The routes, behind what all of them share: each middleware is within those before it.
  func router() -> Router<Context> {
    let router = Router(context: Context.self)
    router.add(middleware: RecordMiddleware(server: server))
    router.add(middleware: BrowserHeadersMiddleware(browsers: server.browsers))
    router.add(middleware: ErrorMiddleware(server: server))
    router.add(middleware: BrowserMiddleware(browsers: server.browsers))
    router.add(middleware: CodingMiddleware())
    router.add(middleware: RouteMiddleware(browsers: server.browsers))
    router.add(middleware: KeyMiddleware(secrets: server.secrets))
    for route in Route.allCases {
      for pattern in route.patterns {
        for method in route.takesPost ? [HTTPRequest.Method.post] : [.get, .head] {
          router.on(pattern, method: method) { request, context in try await answer(route, request, context) }
        }
      }
    }
    return router
  }

  private func answer(_ route: Route, _ request: Request, _ context: Context) async throws -> Response {
    switch route {
    case .page: page()
    case .health: health()
    case .ready: ready()
    case .version: .json(["version": .string(server.configuration.version)])
    case .metrics: metrics()
    case .cluster: cluster()
    case .rebalance: try rebalance()
    case .models: try models(context.target?.name)
    case .chatCompletions: try await generate(ChatCompletionRequest.self, request, context)
    case .completions: try await generate(CompletionRequest.self, request, context)
    case .responses: try await generate(ResponsesRequest.self, request, context)
    case .inputTokens: try await inputTokens(request)
    case .messages: try await generate(MessagesRequest.self, request, context)
    case .countTokens: try await countTokens(request)
    case .embeddings: try await embeddings(request, context)
    case .tokenize: try await tokenize(request)
    case .detokenize: try await detokenize(request)
    }
  }
}

extension Response {
  static func json(_ value: JSONValue, status: HTTPResponse.Status = .ok) -> Response {
    text(value.text(), type: "application/json", status: status)
  }

  static func text(_ text: String, type: String, status: HTTPResponse.Status = .ok) -> Response {
    Response(status: status, headers: [.contentType: type], body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
  }
}
