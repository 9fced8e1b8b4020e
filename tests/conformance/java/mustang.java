import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import org.mustangproject.validator.ZUGFeRDValidator;

/**
 * Holds hybrid PDFs against Mustang's validator.
 *
 * Each line of the standard input is a path. Each is answered by one line: "#report", a tab, and the validator's report
 * as XML in Base64.
 */
public final class Mustang {
    public static void main(String[] arguments) throws Exception {
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        System.setOut(System.err);
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String path = in.readLine(); path != null; path = in.readLine()) {
            String report;
            try {
                report = new ZUGFeRDValidator().validate(path);
            } catch (Exception | StackOverflowError failed) {
                report = "";
            }
            byte[] bytes = (report == null ? "" : report).getBytes(StandardCharsets.UTF_8);
            out.println("#report\t" + Base64.getEncoder().encodeToString(bytes));
        }
    }
}
