import EngineAPI
import HTTPTypes
import Hummingbird
import JSON
import Logging
import NIOCore
import OpenAIProtocol

/// A request's surroundings: its connection.
struct ConnectionContext: RequestContext {
  var coreContext: CoreRequestContextStorage
  let channel: any Channel

  init(source: ApplicationRequestContextSource) {
    coreContext = .init(source: source)
    channel = source.channel
  }
}

/// Answers requests: finds the route, checks key and method, and turns errors into responses.
struct Responder: HTTPResponder {
  typealias Context = ConnectionContext

  let server: ModelServer

  func respond(to request: Request, context: Context) async throws -> Response {
    let found = Route.find(request.uri.path)
    let record = record(of: request, route: found?.route, context)
    var response: Response
    do {
      response = try await RequestRecord.$current.withValue(record) { try await answer(request, found, context) }
    } catch let error as APIError {
      let reason = error.code ?? error.type
      server.metrics.count { $0.refusals[reason, default: 0] += 1 }
      record.note { $0.error = $0.error ?? error.message }
      response = .error(error, path: request.uri.path, requestID: record.current.id)
    } catch is ClientGone, is ChannelPipelineError {
      // A closed connection has no handlers any more. Nobody reads this; the connection ends with it.
      record.noteEnd(.clientLeft)
      response = Response(status: .init(code: 499))
    } catch {
      record.noteEnd(.failed, error: "\(error)")
      response = .error(.internalFailure(), path: request.uri.path, requestID: record.current.id)
    }
    server.metrics.countResponse(route: found?.route, status: response.status.code)
    server.browsers.addHeaders(to: &response, for: request)
    return request.method == .head ? tell(record, response).createHeadResponse() : tell(record, response)
  }

  private func answer(
    _ request: Request, _ found: (route: Route, name: String?)?, _ context: Context
  ) async throws -> Response {
    try server.browsers.check(request, route: found?.route)
    try checkCodings(request.headers)
    guard let (route, name) = found else { throw APIError.unsupportedEndpoint(request.uri.path) }
    let methods = route.methods
    guard methods.contains(request.method.rawValue) else {
      throw APIError.methodNotAllowed(request.method.rawValue, path: route.rawValue, allowed: methods)
    }
    if request.method == .options { return server.browsers.preflight(request, methods: methods) }
    let key = server.secrets.admit(request.headers)
    if case .known(let label) = key { RequestRecord.current?.note { $0.keyLabel = label } }
    guard route.isOpen || key != .unknown else { throw APIError.invalidKey }
    return switch route {
    case .page: page()
    case .health: health()
    case .ready: ready()
    case .version: .json(["version": .string(server.configuration.version)])
    case .metrics: metrics()
    case .cluster: cluster()
    case .models: try models(name)
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

  /// Bodies are read as they come: one that is packed would be told to be no JSON.
  private func checkCodings(_ headers: HTTPFields) throws(APIError) {
    for (name, status, plain) in [
      (HTTPField.Name.transferEncoding, 501, "chunked"), (HTTPField.Name.contentEncoding, 415, "identity"),
    ] {
      guard let coding = headers[name], coding.lowercased() != plain, !coding.isEmpty else { continue }
      throw .unsupportedCoding(coding, of: name.rawName, status: status)
    }
  }
}

extension Response {
  static func json(_ value: JSONValue, status: HTTPResponse.Status = .ok) -> Response {
    text(value.text(), type: "application/json", status: status)
  }

  static func text(_ text: String, type: String, status: HTTPResponse.Status = .ok) -> Response {
    Response(
      status: status, headers: [.contentType: type], body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
  }

  static func error(_ error: APIError, path: String, requestID: String) -> Response {
    let body = Route.isOfMessages(path) ? error.messagesJSON(requestID: requestID) : error.json
    var response = json(body, status: .init(code: error.status))
    response.headers[.retryAfter] = error.retryAfter.map { String($0) }
    if error.status == 401 { response.headers[.wwwAuthenticate] = "Bearer" }
    if error.status == 405 { response.headers[.allow] = Route.find(path)?.route.methods.joined(separator: ", ") }
    return response
  }
}
