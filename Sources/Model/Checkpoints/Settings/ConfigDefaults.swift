import JSON
import Synchronization

/// What settings are when a document leaves them out.
package struct ConfigDefaults: Sendable {
  package let values: JSONObject
  /// Keys for which a null that is written out means "none" and not the default.
  package let nullable: Set<String>

  package init(_ values: JSONObject = JSONObject(), nullable: Set<String> = []) {
    self.values = values
    self.nullable = nullable
  }
}

/// The names that readers of one document have looked up.
final class AskedKeys: Sendable {
  private let names = Mutex<Set<String>>([])

  var all: Set<String> { names.withLock { $0 } }

  func insert(_ name: String) { names.withLock { _ = $0.insert(name) } }
}
