import Glibc
import Hummingbird
import HummingbirdCore
import HummingbirdTLS
import Logging
import NIOCore
import NIOPosix
import ServiceLifecycle

extension ModelServer {
  /// Of all connections. Lives as long as the process: what closed connections still have to do finds its loop.
  private static let connectionThreads = MultiThreadedEventLoopGroup(numberOfThreads: 2)

  /// Serves until `drain` is called and the requests then in progress have ended. `onListening` gets the port.
  ///
  /// The engine is not stopped: whoever started it does that afterwards. May be called once.
  package func run(onListening: @escaping @Sendable (Int) -> Void = { _ in }) async throws {
    let (limits, host, port) = (configuration.limits, configuration.host, configuration.port)
    // The libraries' own news are of no interest.
    var logger = configuration.logger
    logger.logLevel = max(logger.logLevel, .warning)
    let acceptWatch = AcceptWatch(log: RareLog(logger)) { [metrics] in metrics.count { $0.failedAccepts += 1 } }
    let base = HTTPServerBuilder.http1(
      configuration: .init(
        additionalChannelHandlers: [ConnectionWatch(limits: limits)], idleTimeout: TimeAmount(limits.idleTime),
        httpDecoderConfiguration: .init(
          maxHeaderFieldSize: limits.headerBytes, maxHeaderListSize: limits.headerBytes, maxHeaderFieldCount: 100)))
    let server: HTTPServerBuilder = try secrets.tlsConfiguration().map { try .tls(base, tlsConfiguration: $0) } ?? base
    let application = Application(
      router: Responder(server: self).router(), server: server,
      configuration: .init(
        address: .hostname(host, port: port),
        availableConnectionsDelegate: connections),
      onServerRunning: { channel in
        // Before the handler that waits a while after such an error, and keeps it to itself.
        try? await channel.pipeline.addHandler(acceptWatch, position: .first).get()
        onListening(channel.localAddress?.port ?? port)
      },
      eventLoopGroupProvider: .shared(Self.connectionThreads), logger: logger)
    let services = ServiceGroup(configuration: .init(services: [application], logger: logger))
    do {
      try await withThrowingTaskGroup(of: Void.self) { tasks in
        tasks.addTask { try await services.run() }
        tasks.addTask { try await self.watchSecrets() }
        tasks.addTask {
          let end = try await self.waitUntilDrained()
          await services.triggerGracefulShutdown()
          // What is left are answers being written; whoever does not take them is cut off, within the time there is for
          // draining.
          let rest = max(end - ContinuousClock.now, limits.lastWordsTime)
          try await Task.sleep(for: min(rest, limits.stallTime))
        }
        defer { tasks.cancelAll() }
        _ = try await tasks.next()
      }
    } catch {
      await pool.stop()
      guard let reason = Self.whyNotListening(error) else { throw error }
      throw ServerError.cannotListen(host: host, port: port, reason: reason)
    }
    await pool.stop()
  }

  /// In plain words, as the libraries' own name their calls; nil for errors of another kind.
  private static func whyNotListening(_ error: any Error) -> String? {
    switch error {
    case let error as IOError: String(cString: strerror(error.errnoCode))
    case is SocketAddressError.UnknownHost: "there is no host of this name"
    case is SocketAddressError: "\(error)"
    default: nil
    }
  }

  /// Looks for changes of the files of keys and certificates, until it is cancelled.
  private func watchSecrets() async throws {
    while true {
      try await Task.sleep(for: configuration.limits.reloadTime)
      secrets.reloadWhatHasChanged()
    }
  }

  /// Returns when the server drains and nothing is in progress, or the time for it is over; and when that is.
  private func waitUntilDrained() async throws -> ContinuousClock.Instant {
    var deadline: ContinuousClock.Instant?
    while true {
      if admission.isDraining {
        let now = ContinuousClock.now
        let end = deadline ?? now + configuration.limits.drainTime
        deadline = end
        if admission.isEmpty { return end }
        if now >= end {
          admission.endAll()
          return end
        }
      }
      try await Task.sleep(for: .milliseconds(50))
    }
  }
}
