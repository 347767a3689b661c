import HTTPTypes
import Hummingbird
import NIOCore
import OpenAIProtocol

/// Finds what a request is for, and tells of it when it has ended: its id in the answer, a line of the log, counts.
/// Outermost.
struct RecordMiddleware: RouterMiddleware {
  let server: ModelServer

  func handle(
    _ request: Request, context: ConnectionContext, next: (Request, ConnectionContext) async throws -> Response
  ) async throws -> Response {
    var context = context
    context.target = Route.find(request.uri.path)
    let record = record(of: request, context)
    let response = try await RequestRecord.$current.withValue(record) { [context] in
      try await next(request, context)
    }
    server.metrics.countResponse(route: context.target?.route, status: response.status.code)
    let told = tell(record, response)
    return request.method == .head ? told.createHeadResponse() : told
  }

  private func record(of request: Request, _ context: ConnectionContext) -> RequestRecord {
    let configuration = server.configuration
    var facts = RequestRecord.Facts()
    facts.id = RequestRecord.saneID(request.headers[.requestID]) ?? server.identifiers.request()
    let forwarded = configuration.trustsForwardedFor ? request.headers[.forwardedFor] : nil
    facts.client = RequestRecord.forwardedClient(forwarded) ?? context.channel.remoteAddress?.ipAddress ?? "unknown"
    (facts.method, facts.route) = (request.method.rawValue, context.target?.route)
    facts.path = String(request.uri.path.prefix(256))
    return RequestRecord(
      facts, logger: configuration.logsRequests ? configuration.logger : nil, metrics: server.metrics)
  }

  /// The response with the request's id; the request ends with it: at once, or with the last of a stream.
  private func tell(_ record: RequestRecord, _ response: Response) -> Response {
    var response = response
    let status = response.status.code
    record.note { $0.status = status }
    // The OpenAI API's name, and Anthropic's.
    for name in [.requestID, .anthropicRequestID] as [HTTPField.Name] { response.headers[name] = record.current.id }
    guard response.body.contentLength == nil else {
      record.close()
      return response
    }
    let body = response.body
    response.body = ResponseBody { writer in
      do { try await body.write(writer) } catch {
        // Only the server's end cancels what writes.
        record.close(error is CancellationError ? .stopped : .clientLeft)
        throw error
      }
      record.close()
    }
    return response
  }
}

extension HTTPField.Name {
  /// A name that this program writes, and that is a valid one.
  static func known(_ name: StaticString) -> HTTPField.Name {
    guard let known = HTTPField.Name("\(name)") else { preconditionFailure("\(name) is no name of a field") }
    return known
  }

  static let requestID = known("x-request-id")
  fileprivate static let anthropicRequestID = known("request-id")
  fileprivate static let forwardedFor = known("x-forwarded-for")
}
