import Glibc
import Inference

/// A progress bar on standard error, drawn only where that is a terminal.
struct ProgressBar {
  private let label: String
  private let isTerminal = isatty(STDERR_FILENO) == 1
  private var isDrawn = false

  init(_ label: String) { self.label = label }

  mutating func show(bytes: Int, of total: Int) {
    guard isTerminal, total > 0 else { return }
    let share = min(Double(bytes) / Double(total), 1)
    let width = 30
    let filled = Int(share * Double(width))
    let bar = String(repeating: "█", count: filled) + String(repeating: "░", count: width - filled)
    Console.write(
      "\r\(label) \(bar) \(Int(share * 100)) % of \(Figures.size(total))", to: STDERR_FILENO)
    isDrawn = true
  }

  /// Clears the line.
  mutating func finish() {
    guard isDrawn else { return }
    Console.write("\r\u{1B}[K", to: STDERR_FILENO)
    isDrawn = false
  }
}
