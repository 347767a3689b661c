import Foundation

/// The small trained model shipped inside the program's resources.
package enum DemoModel {
  /// Its folder, in the published Hugging Face layout; nil when the resources were not installed beside the program.
  package static var folder: String? { Bundle.module.url(forResource: "demo-model", withExtension: nil)?.path }
}
