<?php

// A Laravel application as the vendor's pages suggest one: the published call, behind the stock
// middleware of the framework. `php -S` runs it anew for each request, so what it has to remember
// is in files below the directory that PROPQ_LARAVEL_HOME names.

declare(strict_types=1);

use Illuminate\Auth\Middleware\Authenticate;
use Illuminate\Cache\RateLimiting\Limit;
use Illuminate\Config\Repository;
use Illuminate\Contracts\Debug\ExceptionHandler;
use Illuminate\Foundation\Application;
use Illuminate\Foundation\Bootstrap;
use Illuminate\Foundation\Exceptions\Handler;
use Illuminate\Foundation\Http\FormRequest;
use Illuminate\Foundation\Http\Kernel as FrameworkKernel;
use Illuminate\Foundation\Http\Middleware;
use Illuminate\Foundation\Providers\FoundationServiceProvider;
use Illuminate\Http\Request;
use Illuminate\Auth\GenericUser;
use Illuminate\Routing\Middleware\ThrottleRequests;
use Illuminate\Support\Facades\Auth;
use Illuminate\Support\Facades\RateLimiter;
use Illuminate\Support\Facades\Route;
use Illuminate\Validation\ValidationException;

require_once 'Illuminate/autoload.php';

final class State
{
    public static function home(): string
    {
        return getenv('PROPQ_LARAVEL_HOME');
    }

    public static function read(): array
    {
        return json_decode(file_get_contents(self::home() . '/state.json'), true);
    }

    public static function applied(array $fields): void
    {
        $line = json_encode($fields, JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES) . "\n";
        file_put_contents(self::home() . '/applied.jsonl', $line, FILE_APPEND | LOCK_EX);
    }
}

final class UpdateRequest extends FormRequest
{
    public function authorize(): bool
    {
        return !in_array($this->route('development'), State::read()['foreign'], true);
    }

    public function rules(): array
    {
        return [
            'UntName' => 'required|string',
            'UntStatus' => 'required|in:1,2,4,8',
            'UntPrice' => 'required|numeric',
            'UntDirections' => 'required|array',
            'UntDirections.*' => 'required|string',
        ];
    }
}

final class Kernel extends FrameworkKernel
{
    // The settings are in this file, and none come from the environment.
    protected $bootstrappers = [
        Bootstrap\HandleExceptions::class,
        Bootstrap\RegisterFacades::class,
        Bootstrap\RegisterProviders::class,
        Bootstrap\BootProviders::class,
    ];

    protected $middleware = [
        Middleware\PreventRequestsDuringMaintenance::class,
        Middleware\ValidatePostSize::class,
        Middleware\TrimStrings::class,
        Middleware\ConvertEmptyStringsToNull::class,
    ];

    protected $routeMiddleware = [
        'auth' => RedirectingAuthenticate::class,
        'throttle' => ThrottleRequests::class,
    ];
}

final class RedirectingAuthenticate extends Authenticate
{
    protected function redirectTo($request)
    {
        return $request->expectsJson() ? null : '/login';
    }
}

function update(UpdateRequest $request, string $development): mixed
{
    $fields = $request->validated();
    $state = State::read();
    $units = $state['units'][$development] ?? null;
    if (!isset($units[$fields['UntName']])) {
        abort(404, $units === null ? 'Development not found.' : 'Unit not found.');
    }
    State::applied(['development' => $development] + $fields);
    return response()->json($fields);
}

function token(Request $request): mixed
{
    // It stands in for Passport, which Debian does not have.
    $token = bin2hex(random_bytes(16));
    file_put_contents(State::home() . "/tokens/$token", '');
    return response()->json([
        'token_type' => 'Bearer', 'expires_in' => 2592000, 'access_token' => $token,
    ]);
}

$app = new Application(State::home());
$app->detectEnvironment(fn () => 'production');
$app->instance('config', new Repository([
    'app' => [
        'debug' => false,
        'env' => 'production',
        'key' => str_repeat('k', 32),
        'cipher' => 'AES-256-CBC',
        'locale' => 'en',
        'fallback_locale' => 'en',
        'url' => 'http://127.0.0.1',
        'aliases' => [],
        'providers' => [
            Illuminate\Auth\AuthServiceProvider::class,
            Illuminate\Cache\CacheServiceProvider::class,
            Illuminate\Encryption\EncryptionServiceProvider::class,
            Illuminate\Filesystem\FilesystemServiceProvider::class,
            FoundationServiceProvider::class,
            Illuminate\Session\SessionServiceProvider::class,
            Illuminate\Translation\TranslationServiceProvider::class,
            Illuminate\Validation\ValidationServiceProvider::class,
            Illuminate\View\ViewServiceProvider::class,
        ],
    ],
    'auth' => [
        'defaults' => ['guard' => 'api', 'passwords' => null],
        'guards' => ['api' => ['driver' => 'bearer', 'provider' => null]],
    ],
    'cache' => [
        'default' => 'file',
        'prefix' => 'propq',
        'stores' => ['file' => ['driver' => 'file', 'path' => State::home() . '/cache']],
    ],
    'logging' => [
        'default' => 'file',
        'channels' => [
            'file' => ['driver' => 'single', 'path' => State::home() . '/laravel.log'],
        ],
    ],
    'session' => [
        'driver' => 'array', 'cookie' => 'propq', 'lifetime' => 120, 'expire_on_close' => false,
        'path' => '/', 'domain' => null, 'secure' => false, 'http_only' => true,
        'lottery' => [0, 1], 'encrypt' => false,
    ],
    'view' => ['paths' => [], 'compiled' => State::home() . '/views'],
]));
$app->singleton(Illuminate\Contracts\Http\Kernel::class, Kernel::class);
$app->singleton(ExceptionHandler::class, Handler::class);

$app->booted(function () {
    // The texts are in the skeleton of an application, which is no part of the framework.
    app('translator')->addLines([
        'validation.required' => 'The :attribute field is required.',
        'validation.string' => 'The :attribute must be a string.',
        'validation.in' => 'The selected :attribute is invalid.',
        'validation.numeric' => 'The :attribute must be a number.',
        'validation.array' => 'The :attribute must be an array.',
    ], 'en');
    Auth::viaRequest('bearer', function (Request $request) {
        // As league/oauth2-server reads the header, after Passport has found that there is one.
        $header = preg_replace('/^\s*Bearer\s/', '', (string) $request->header('Authorization'));
        $token = $request->bearerToken() === null ? '' : trim($header);
        $known = ctype_xdigit($token)
            && is_file(State::home() . "/tokens/$token");
        return $known ? new GenericUser(['id' => 1]) : null;
    });
    RateLimiter::for('api', function () {
        ['limit' => $limit, 'per_seconds' => $seconds] = State::read();
        if ($limit === null) {
            return Limit::none();
        }
        $allowed = Limit::perMinute($limit);
        $allowed->decayMinutes = $seconds / 60; // tests cannot wait for a minute
        return $allowed;
    });
    Route::post(
        '/v1/developments/{development}/units/update-by-name',
        fn (UpdateRequest $request, string $development) => update($request, $development),
    )->middleware(['auth:api', 'throttle:api']);
    Route::post('/oauth/token', fn (Request $request) => token($request));
    Route::get('/login', fn () => 'login')->name('login');
    Route::get('/', fn () => 'home');
});

$kernel = $app->make(Illuminate\Contracts\Http\Kernel::class);
$response = $kernel->handle($request = Request::capture());
$response->send();
$kernel->terminate($request, $response);
