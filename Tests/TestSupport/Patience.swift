import Glibc

/// Calls `body` with one of `times` after the other, in seconds, until it finds nothing wrong; what it found the last
/// time otherwise, or the error it threw.
///
/// For tests of what a time limit does: a machine that others use, or that stands still for some seconds, lets a short
/// limit pass before its time, and a long one would make every run long.
package func faultWithPatience(_ times: [Double] = [1, 8, 60], _ body: (Double) throws -> String?) -> String? {
  var fault: String?
  for time in times {
    do { fault = try body(time) } catch { fault = "\(error)" }
    if fault == nil { return nil }
  }
  return fault
}

/// The same for what waits without a thread.
package func faultWithPatience(
  _ times: [Double] = [1, 8, 60], _ body: (Double) async throws -> String?
) async -> String? {
  var fault: String?
  for time in times {
    do { fault = try await body(time) } catch { fault = "\(error)" }
    if fault == nil { return nil }
  }
  return fault
}

/// Waits until something is so: false where it is not in ten minutes, or in so many seconds, when it never will be.
package func eventually(within seconds: Double = 600, _ isSo: () throws -> Bool) rethrows -> Bool {
  let end = ContinuousClock.now + .seconds(seconds)
  while try !isSo() {
    guard ContinuousClock.now < end else { return false }
    usleep(10_000)
  }
  return true
}
